using System.Runtime.InteropServices;
using NBit.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>A tensor's elements side by side in the CPU's memory; a copy where they were not, which is disposed with it.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly unsafe ref struct DenseTensor : IDisposable
{
    private readonly Tensor? _copy;

    private DenseTensor(Tensor tensor, Tensor? copy)
    {
        _copy = copy;
        Address = NativeTensor.Address(copy ?? tensor);
    }

    public void* Address { get; }

    /// <summary>The elements of a tensor to read.</summary>
    /// <param name="tensor">A tensor; null gives the null address.</param>
    /// <param name="name">Its name, for messages.</param>
    public static DenseTensor Of(Tensor? tensor, string name)
    {
        if (tensor is null)
        {
            return default;
        }

        CheckDevice(tensor, name);
        return new(tensor, tensor.is_contiguous() ? null : tensor.contiguous());
    }

    /// <summary>The elements of a tensor to write.</summary>
    /// <exception cref="ArgumentException">It is not contiguous, or not what is asked for.</exception>
    public static DenseTensor Target(Tensor tensor, string name, ScalarType type, params ReadOnlySpan<long> shape)
    {
        CheckDevice(tensor, name);
        if (tensor.dtype != type || !tensor.shape.AsSpan().SequenceEqual(shape) || !tensor.is_contiguous())
        {
            throw new ArgumentException(
                $"{name} is {tensor.dtype} [{string.Join(", ", tensor.shape)}]"
                    + $"{(tensor.is_contiguous() ? "" : ", not contiguous")}; it must be a contiguous {type} "
                    + $"[{string.Join(", ", shape.ToArray())}]",
                name
            );
        }

        return new(tensor, copy: null);
    }

    public void Dispose() => _copy?.Dispose();

    /// <exception cref="NotSupportedException">It is not on the CPU.</exception>
    public static void CheckDevice(Tensor tensor, string name)
    {
        if (tensor.device_type != DeviceType.CPU)
        {
            throw new NotSupportedException(
                $"{name} is on {tensor.device_type}; quantization works on CPU tensors in this version: move it by .cpu()"
            );
        }
    }
}
