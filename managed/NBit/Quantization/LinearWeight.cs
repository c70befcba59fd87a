using System.Runtime.InteropServices;
using NBit.Devices;
using NBit.Interop;
using NBit.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>
/// A weight whose linear layer NBit computes wherever TorchSharp's <c>Linear</c> uses it: quantized, with an adapter,
/// or both. It lives as long as a tensor that shares its memory.
/// </summary>
internal abstract unsafe class LinearWeight : IDisposable
{
    private readonly Tensor _storage;

    /// <param name="storage">The weight as it is kept, with elements; owned from here on.</param>
    protected LinearWeight(Tensor storage) => _storage = Dense(storage).DetachFromDisposeScope();

    /// <summary>The number of outputs.</summary>
    public abstract long OutFeatures { get; }

    /// <summary>The number of inputs.</summary>
    public abstract long InFeatures { get; }

    /// <summary>What is added to the layer's output; null for nothing.</summary>
    public LoraAdapter? Adapter { get; set; }

    /// <summary>The weight as it is kept. Do not dispose it.</summary>
    public Tensor Storage => _storage;

    /// <summary>The weight behind a tensor; null where it is an ordinary tensor.</summary>
    public static LinearWeight? Of(Tensor? tensor)
    {
        if (tensor is null)
        {
            return null;
        }

        TorchSharpInterposition.RequireLibrary();
        void* state;
        NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_linear_weight_state((void*)tensor.Handle, &state));
        return state is null ? null : (LinearWeight)GCHandle.FromIntPtr((nint)state).Target!;
    }

    /// <summary>Gives what a weight holds besides its elements, an adapter for example, to the weight that takes its
    /// place.</summary>
    public static void MoveState(Tensor from, Tensor to)
    {
        if (Of(from) is { } previous && Of(to) is { } next)
        {
            previous.MoveStateTo(next);
        }
    }

    /// <summary>
    /// A tensor over the storage's memory, by which TorchSharp's linear finds this weight. To be called once.
    /// </summary>
    public Tensor Wrap()
    {
        var state = GCHandle.Alloc(this);
        try
        {
            void* tensor;
            fixed (long* sizes = _storage.shape)
            {
                NativeStatus.ThrowIfFailed(
                    LibnbitTorch.nbit_torch_linear_weight_create(
                        NativeTensor.Address(_storage),
                        (int)_storage.dtype,
                        sizes,
                        _storage.shape.Length,
                        &Compute,
                        &Convert,
                        &Release,
                        (void*)GCHandle.ToIntPtr(state),
                        &tensor
                    )
                );
            }

            return Tensor.UnsafeCreateTensor((nint)tensor);
        }
        catch
        {
            state.Free();
            throw;
        }
    }

    /// <summary>Whether what was quantized holds neither NaN nor infinities.</summary>
    public abstract bool IsFinite { get; }

    /// <summary>Whether the weight is held as codes, which cannot be trained.</summary>
    public bool IsQuantized => this is Weight4bit or Weight8bit;

    /// <summary>Another weight, made as this one was.</summary>
    /// <param name="weight">Floating-point [out, in].</param>
    public abstract LinearWeight Requantize(Tensor weight);

    /// <summary>What this weight is after TorchSharp's <c>Module.to</c>, without its adapter.</summary>
    /// <param name="converted">The elements in their new type, on their new device; belongs to the result.</param>
    /// <returns>The weight; null where an ordinary tensor does.</returns>
    /// <exception cref="InvalidOperationException">The weight cannot leave its device.</exception>
    protected abstract LinearWeight? Converted(Tensor converted);

    /// <summary>Releases a weight that is in no tensor's memory; one that is wrapped is released with it.</summary>
    public void Dispose()
    {
        ReleaseState();
        Adapter?.Dispose();
        _storage.Dispose();
    }

    /// <summary>The layer: x @ weight^T + bias, and what the adapter adds.</summary>
    /// <param name="input">[..., in].</param>
    /// <param name="weight">The tensor by which the layer holds this weight.</param>
    /// <param name="bias">[out], or null.</param>
    /// <returns>[..., out], of the input's dtype.</returns>
    public Tensor Forward(Tensor input, Tensor weight, Tensor? bias)
    {
        CheckShapes(input, bias);
        var output = Product(input, weight, bias);
        if (Adapter is not { } adapter)
        {
            return output;
        }

        using (output)
        using (var added = adapter.Forward(input, output.dtype))
        {
            return output + added;
        }
    }

    /// <summary>Gives what the weight holds besides its elements to the weight that takes its place.</summary>
    protected virtual void MoveStateTo(LinearWeight next) => (next.Adapter, Adapter) = (Adapter ?? next.Adapter, null);

    /// <summary>The layer without an adapter.</summary>
    protected abstract Tensor Product(Tensor input, Tensor weight, Tensor? bias);

    /// <summary>Whether a tensor of absmax, or a weight, is finite.</summary>
    protected static bool AllFinite(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.isfinite().all().item<bool>();
    }

    /// <summary>Codes in another type are an ordinary tensor; those on another device are the weight there.</summary>
    /// <param name="converted">Disposed, unless the result holds it.</param>
    /// <param name="onDevice">Makes the weight of the codes on their new device.</param>
    protected LinearWeight? Frozen(Tensor converted, Func<Tensor, LinearWeight> onDevice)
    {
        var isSameDevice = converted.IsOn(Storage.device);
        if (
            !isSameDevice
            && converted.dtype == Storage.dtype
            && converted.device_type is (DeviceType.CPU or DeviceType.CUDA)
        )
        {
            return onDevice(converted);
        }

        using (converted)
        {
            return isSameDevice
                ? null
                : throw new InvalidOperationException(
                    $"a quantized weight of {OutFeatures} outputs is on {Storage.device} and cannot be moved to "
                        + $"{converted.device} as {converted.dtype}; it moves between the CPU and CUDA devices as {Storage.dtype}"
                );
        }
    }

    /// <summary>Disposes what belongs to the weight besides its storage.</summary>
    protected abstract void ReleaseState();

    // libnbit and libtorch are given the address of elements that are side by side.
    private static Tensor Dense(Tensor storage)
    {
        if (storage.is_contiguous())
        {
            return storage;
        }

        using (storage)
        {
            return storage.contiguous();
        }
    }

    private void CheckShapes(Tensor input, Tensor? bias)
    {
        if (input.dim() == 0 || input.shape[^1] != InFeatures)
        {
            throw new ArgumentException(
                $"the input is [{string.Join(", ", input.shape)}]; a layer of {InFeatures} inputs takes [..., {InFeatures}]",
                nameof(input)
            );
        }

        if (this is not FloatWeight && bias is not null && (bias.numel() != OutFeatures || !bias.is_floating_point()))
        {
            throw new ArgumentException(
                $"the bias is {bias.dtype} of {bias.numel()} elements; a layer of {OutFeatures} outputs takes a "
                    + $"floating-point one of {OutFeatures}",
                nameof(bias)
            );
        }
    }

    [UnmanagedCallersOnly]
    private static int Compute(void* state, void* input, void* weight, void* bias, void** result)
    {
        try
        {
            var own = (LinearWeight)GCHandle.FromIntPtr((nint)state).Target!;
            using var x = Managed.Borrow(input);
            using var w = Managed.Borrow(weight);
            using var b = bias is null ? null : Managed.Borrow(bias);
            using var y = own.Forward(x, w, b);
            *result = Managed.Reference(y);
            return (int)nbit_status.NBIT_STATUS_OK;
        }
        catch (Exception error)
        {
            return Managed.Report(error);
        }
    }

    [UnmanagedCallersOnly]
    private static int Convert(void* state, void* converted, void** result)
    {
        try
        {
            var own = (LinearWeight)GCHandle.FromIntPtr((nint)state).Target!;
            using var tensor = Managed.Borrow(converted);
            if (own.Converted(tensor.alias()) is { } weight)
            {
                weight.Adapter = own.Adapter?.Share();
                using var wrapped = weight.Wrap();
                *result = Managed.Reference(wrapped);
            }

            return (int)nbit_status.NBIT_STATUS_OK;
        }
        catch (Exception error)
        {
            return Managed.Report(error);
        }
    }

    [UnmanagedCallersOnly]
    private static void Release(void* state)
    {
        var handle = GCHandle.FromIntPtr((nint)state);
        var weight = (LinearWeight)handle.Target!;
        handle.Free();
        weight.Dispose();
    }
}
