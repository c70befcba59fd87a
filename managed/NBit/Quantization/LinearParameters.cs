using NBit.Interop;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>Puts weights of NBit's into the Parameter objects of layers, which stay the same objects.</summary>
internal static class LinearParameters
{
    /// <summary>A new parameter that holds a weight.</summary>
    /// <param name="weight">The weight; owned by the parameter from here on.</param>
    public static Parameter Create(LinearWeight weight)
    {
        using var wrapped = weight.Wrap();
        return (Parameter)new Parameter(wrapped, requires_grad: false).DetachFromDisposeScope();
    }

    /// <summary>What takes the place of a tensor's elements where these are cast: the weight of an adapter, or of a
    /// layer that trains in 8 bits, becomes such a weight again.</summary>
    /// <param name="tensor">A tensor of a module.</param>
    /// <param name="cast">Its elements, cast.</param>
    /// <returns>What to give the tensor; new ones are in the caller's dispose scope.</returns>
    public static Tensor Rewrap(Tensor tensor, Tensor cast)
    {
        if (LinearWeight.Of(tensor) is not { IsQuantized: false } own)
        {
            return cast;
        }

        return own.Requantize(cast).Wrap();
    }

    /// <summary>The parameter that takes the place of another one, which is disposed. A weight that was cast is a weight of
    /// the same kind again.</summary>
    /// <param name="previous">The parameter so far, or null.</param>
    /// <param name="next">The new parameter.</param>
    public static Parameter Succeed(Parameter? previous, Parameter next)
    {
        if (previous is null || ReferenceEquals(previous, next))
        {
            return next;
        }

        if (LinearWeight.Of(next) is null && LinearWeight.Of(previous) is { } own)
        {
            using var wrapped = own.Requantize(next).Wrap();
            LinearWeight.MoveState(previous, wrapped);
            Set(next, wrapped);
        }

        previous.Dispose();
        return next;
    }

    /// <summary>Gives a parameter another weight.</summary>
    /// <param name="parameter">The parameter; it requires no gradient afterwards if the weight is quantized.</param>
    /// <param name="wrapped">The weight, as <see cref="LinearWeight.Wrap" /> gives it; not disposed.</param>
    public static void Set(Parameter parameter, Tensor wrapped)
    {
        if (LinearWeight.Of(wrapped) is { IsQuantized: true })
        {
            parameter.requires_grad = false;
            parameter.grad = null;
        }

        NativeTensor.SetData(parameter, wrapped);
    }
}
