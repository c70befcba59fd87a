using NBit.Devices;
using NBit.Interop;
using NBit.Quantization;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Tensors;

/// <summary>Casts of batches and of whole models.</summary>
internal static class TensorCasts
{
    /// <summary>
    /// The floating-point tensors in nested containers, cast; a tensor that has the dtype already comes back as it is.
    /// </summary>
    public static T CastFloating<T>(T data, ScalarType dtype) =>
        TensorTree.Map(data, tensor => tensor.is_floating_point() && tensor.dtype != dtype ? tensor.to(dtype) : tensor);

    /// <summary>The tensors in nested containers on a device.</summary>
    public static T MoveTo<T>(T data, Device device) =>
        TensorTree.Map(data, tensor => tensor.IsOn(device) ? tensor : tensor.to(device));

    /// <summary>Casts a module's parameters, buffers and gradients in place.</summary>
    /// <param name="model">The module.</param>
    /// <param name="dtype">The dtype that floating-point tensors get.</param>
    /// <param name="complexToo">Whether complex tensors are cast too, which loses their imaginary part (as
    /// <c>Module.to(dtype)</c> does).</param>
    public static void CastModule(nn.Module model, ScalarType dtype, bool complexToo) =>
        Replace(ModuleTensors.Of(model), tensor => Cast(tensor, dtype, complexToo));

    /// <summary>A module's tensor, cast as by <see cref="CastModule" />; null where it stays as it is. New ones are in the
    /// caller's dispose scope.</summary>
    public static Tensor? Cast(Tensor tensor, ScalarType dtype, bool complexToo) =>
        tensor.dtype == dtype || !(tensor.is_floating_point() || (complexToo && tensor.is_complex()))
            ? null
            : LinearParameters.Rewrap(tensor, tensor.is_complex() ? tensor.real.to(dtype) : tensor.to(dtype));

    /// <summary>Casts parameters and their gradients in place.</summary>
    public static void Cast(IEnumerable<Tensor> parameters, ScalarType dtype) =>
        Replace(parameters, tensor => tensor.dtype == dtype ? null : LinearParameters.Rewrap(tensor, tensor.to(dtype)));

    /// <summary>Moves a module's parameters, buffers and gradients to a device in place.</summary>
    public static void MoveModule(nn.Module model, Device device)
    {
        Replace(
            ModuleTensors.Of(model),
            tensor => tensor.IsOn(device) ? null : LinearParameters.Rewrap(tensor, tensor.to(device))
        );
        model.to(device); // finds all in place, and notes the device
    }

    /// <summary>Gives tensors and their gradients other elements.</summary>
    /// <remarks>
    /// The Parameter objects stay, so optimizers and fields that hold them stay right (TorchSharp's Module.to makes new
    /// ones). All new tensors are made before the first one is replaced: what fails, fails before anything was changed.
    /// </remarks>
    /// <param name="tensors">The tensors.</param>
    /// <param name="replacement">The other elements, in the caller's dispose scope; null to leave a tensor.</param>
    public static void Replace(IEnumerable<Tensor> tensors, Func<Tensor, Tensor?> replacement)
    {
        TorchSharpInterposition.RequireLibrary();
        using var grad = no_grad();
        using var scope = NewDisposeScope();
        var replacements = new List<(Tensor Target, Tensor Data)>();
        foreach (var tensor in tensors)
        {
            Add(tensor);
            if (tensor.grad is { } gradient)
            {
                Add(gradient);
            }
        }

        foreach (var (target, data) in replacements)
        {
            LinearWeight.MoveState(target, data);
            NativeTensor.SetData(target, data);
        }

        void Add(Tensor target)
        {
            if (replacement(target) is { } data)
            {
                replacements.Add((target, data));
            }
        }
    }
}
