using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace NBit.Testing;

/// <summary>
/// Calls libtorch's operators by name, as PyTorch does, through the stable C interface of its dispatcher
/// (torch/csrc/stable/c/shim.h). Arguments are all those of the operator's schema, in its order: the interface knows no
/// defaults, and no at::Scalar.
/// </summary>
public static unsafe partial class Dispatcher
{
    // The version of the interface that the values below are laid out for: libtorch 2.10.
    private const ulong Interface = (2UL << 56) | (10UL << 48);

    /// <summary>Calls an operator that gives one tensor.</summary>
    /// <param name="name">Its name with namespace and overload: aten::linear, aten::conv2d.padding.</param>
    /// <param name="arguments">All arguments; null stands for an absent optional one.</param>
    /// <exception cref="DispatcherException">The operator failed.</exception>
    public static Tensor Call(string name, params ReadOnlySpan<Argument?> arguments) => CallMany(1, name, arguments)[0];

    /// <summary>Calls an operator that gives several tensors.</summary>
    /// <inheritdoc cref="Call" />
    public static Tensor[] CallMany(int outputs, string name, params ReadOnlySpan<Argument?> arguments)
    {
        // libtorch takes what the arguments own, even where the operator fails, and leaves the outputs in their place.
        var stack = stackalloc ulong[Math.Max(arguments.Length, outputs)];
        for (var i = 0; i < arguments.Length; i++)
        {
            stack[i] = Argument.Box(arguments[i]);
        }

        var dot = name.IndexOf('.', StringComparison.Ordinal);
        var (operation, overload) = dot < 0 ? (name, "") : (name[..dot], name[(dot + 1)..]);
        if (torch_call_dispatcher(operation, overload, stack, Interface) != 0)
        {
            throw new DispatcherException($"{name} failed; libtorch wrote the reason to standard error");
        }

        var results = new Tensor[outputs];
        for (var i = 0; i < outputs; i++)
        {
            results[i] = Tensor.UnsafeCreateTensor((nint)stack[i]);
        }

        return results;
    }

    [LibraryImport("torch_cpu", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int torch_call_dispatcher(string operation, string overload, ulong* stack, ulong version);
}

/// <summary>An operator failed.</summary>
public sealed class DispatcherException(string message) : ExternalException(message);
