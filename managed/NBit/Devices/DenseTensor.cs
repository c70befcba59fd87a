using NBit.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Devices;

/// <summary>An argument of a native call: a tensor's elements side by side in the memory of its device.</summary>
/// <remarks>Disposing it releases copies, never the tensor.</remarks>
internal sealed unsafe class DenseTensor : IDisposable
{
    private readonly Tensor? _tensor;
    private readonly bool _isWritten;
    private Tensor? _copy;

    private DenseTensor(Tensor? tensor, bool isWritten)
    {
        (_tensor, _isWritten) = (tensor, isWritten);
        if (tensor is not null)
        {
            _copy = tensor.is_contiguous() ? null : tensor.contiguous().DetachFromDisposeScope();
            Address = NativeTensor.Address(_copy ?? tensor);
            Device = tensor.device;
        }
    }

    /// <summary>The first element; null for no tensor, and for one without elements.</summary>
    public void* Address { get; private set; }

    /// <summary>Where it is; null for no tensor.</summary>
    public Device? Device { get; }

    /// <summary>The elements of a tensor to read.</summary>
    /// <param name="tensor">A tensor; null gives the null address.</param>
    /// <param name="name">Its name, for messages.</param>
    /// <exception cref="NotSupportedException">It is on a device without kernels.</exception>
    public static DenseTensor Of(Tensor? tensor, string name)
    {
        if (tensor is not null)
        {
            CheckDevice(tensor, name);
        }

        return new(tensor, isWritten: false);
    }

    /// <summary>The elements of a new tensor, which is contiguous, to write.</summary>
    public static DenseTensor New(Tensor? tensor) => new(tensor, isWritten: true);

    /// <summary>The elements of a caller's tensor to write.</summary>
    /// <exception cref="ArgumentException">It is not contiguous, or not what is asked for.</exception>
    /// <exception cref="NotSupportedException">It is on a device without kernels.</exception>
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

        return new(tensor, isWritten: true);
    }

    /// <exception cref="NotSupportedException">It is on a device without kernels.</exception>
    public static void CheckDevice(Tensor tensor, string name)
    {
        if (tensor.device_type is not (DeviceType.CPU or DeviceType.CUDA))
        {
            throw new NotSupportedException(
                $"{name} is on {tensor.device_type}; NBit works on CPU and CUDA tensors: move it by .cpu() or .cuda()"
            );
        }
    }

    /// <summary>Makes <see cref="Address" /> that of a copy in the CPU's memory.</summary>
    public void MoveToCpu()
    {
        if (_tensor is null)
        {
            return;
        }

        using (_copy)
        {
            _copy = (_copy ?? _tensor).to(CPU, copy: true).DetachFromDisposeScope();
        }

        Address = NativeTensor.Address(_copy);
    }

    /// <summary>Gives the tensor what was written into a copy.</summary>
    public void CopyBack()
    {
        if (_isWritten && _copy is not null)
        {
            using var noGradients = no_grad();
            _tensor!.copy_(_copy);
        }
    }

    /// <summary>Releases the copy; a contiguous tensor's own elements are meant from here on.</summary>
    public void Dispose()
    {
        if (_copy is not null)
        {
            _copy.Dispose();
            _copy = null;
            Address = NativeTensor.Address(_tensor!);
        }
    }
}
