using NBit.Interop;
using NBit.Logging;
using NBit.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Amp;

/// <summary>A region of code in which libtorch casts the inputs of operators (torch.autocast).</summary>
/// <remarks>
/// <para>
/// <c>using (new Autocast(DeviceType.CPU, ScalarType.BFloat16)) { loss = Loss(model.forward(x), y); }</c> The region
/// begins
/// with the constructor and ends with <see cref="Dispose" />, on the same thread and in reverse order; it need not
/// cover the
/// backward pass. Regions nest, and <c>enabled: false</c> makes one in which nothing is cast.
/// </para>
/// <para>
/// What is cast is libtorch's choice: products, convolutions and attention run in the lower precision, losses and a few
/// numerically delicate operators in float32, <c>cat</c>, <c>stack</c> and <c>index_copy</c> in their widest input; all
/// others
/// follow their own rules. float64 and integers are never cast. With <c>cacheEnabled</c> the cast of a float32 leaf
/// that
/// requires grad is made once in the outermost region: a change of the weight in between is not seen. Unlike libtorch
/// 2.10
/// itself, a cast made under no_grad is never handed out where grad is on (its gradient would be lost).
/// </para>
/// </remarks>
public sealed class Autocast : IDisposable
{
    private readonly int _thread = Environment.CurrentManagedThreadId;
    private readonly long _previous;
    private bool _ended;

    /// <summary>Begins a region on this thread.</summary>
    /// <param name="deviceType">The device whose operators cast: <see cref="DeviceType.CPU" /> or
    /// <see cref="DeviceType.CUDA" />.</param>
    /// <param name="dtype">float16 or bfloat16; null for the device's usual one, bfloat16 on the CPU and float16 on
    /// CUDA.</param>
    /// <param name="enabled">False for a region in which nothing is cast.</param>
    /// <param name="cacheEnabled">Whether the casts of weights are kept until the outermost region ends.</param>
    /// <exception cref="ArgumentException">The device type is another one.</exception>
    /// <exception cref="NotSupportedException">libtorch is of a version that NBit does not know.</exception>
    /// <remarks>
    /// Another dtype, and CUDA where there is none, make a region that is not enabled, with a warning, as in PyTorch.
    /// </remarks>
    public unsafe Autocast(
        DeviceType deviceType,
        ScalarType? dtype = null,
        bool enabled = true,
        bool cacheEnabled = true
    )
    {
        if (deviceType is not (DeviceType.CPU or DeviceType.CUDA))
        {
            throw new ArgumentException(
                $"device type {deviceType} has no autocast here; use {DeviceType.CPU} or {DeviceType.CUDA}",
                nameof(deviceType)
            );
        }

        TorchSharpInterposition.RequireLibrary();
        DeviceType = deviceType;
        DataType = dtype ?? (deviceType == DeviceType.CPU ? ScalarType.BFloat16 : ScalarType.Float16);
        Enabled = enabled && CanCast(deviceType, DataType);
        CacheEnabled = cacheEnabled && SeesGradMode();
        var low = Enabled ? DataType : ScalarType.BFloat16; // libtorch keeps a dtype for disabled regions too
        long previous;
        NativeStatus.ThrowIfFailed(
            LibnbitTorch.nbit_torch_autocast_enter(
                (int)deviceType,
                (int)low,
                Enabled ? 1 : 0,
                CacheEnabled ? 1 : 0,
                &previous
            )
        );
        _previous = previous;
    }

    /// <summary>The device whose operators cast.</summary>
    public DeviceType DeviceType { get; }

    /// <summary>The dtype that is cast to.</summary>
    public ScalarType DataType { get; }

    /// <summary>Whether this region casts.</summary>
    public bool Enabled { get; }

    /// <summary>Whether this region keeps the casts of weights.</summary>
    public bool CacheEnabled { get; }

    /// <summary>
    /// The dtype that operators of a device are cast to on this thread now, or null outside of an enabled region.
    /// </summary>
    /// <param name="deviceType"><see cref="DeviceType.CPU" /> or <see cref="DeviceType.CUDA" />.</param>
    /// <returns>float16, bfloat16 or null.</returns>
    public static ScalarType? Current(DeviceType deviceType) =>
        State(deviceType) is { Enabled: true } state ? state.DataType : null;

    /// <summary>Ends the region and restores what was set before it.</summary>
    /// <exception cref="InvalidOperationException">It is not the innermost region of this thread.</exception>
    public void Dispose()
    {
        if (_ended)
        {
            return;
        }

        if (_thread != Environment.CurrentManagedThreadId)
        {
            throw new InvalidOperationException(
                $"an autocast region began on thread {_thread} and cannot end on thread {Environment.CurrentManagedThreadId}: autocast is "
                    + "a state of a thread. Do not await inside a region."
            );
        }

        NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_autocast_exit(_previous));
        _ended = true;
    }

    /// <summary>libtorch's state on this thread; for tests.</summary>
    internal static unsafe (ScalarType DataType, bool Enabled, bool CacheEnabled) State(DeviceType deviceType)
    {
        TorchSharpInterposition.RequireLibrary();
        int type,
            enabled,
            cache;
        NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_autocast_query((int)deviceType, &type, &enabled, &cache));
        return ((ScalarType)type, enabled != 0, cache != 0);
    }

    private static bool CanCast(DeviceType deviceType, ScalarType dtype)
    {
        if (deviceType == DeviceType.CUDA && !cuda.is_available())
        {
            Log.Warning("CUDA is not available. Disabling autocast.");
            return false;
        }

        if (dtype is not (ScalarType.BFloat16 or ScalarType.Float16))
        {
            Log.Warning(
                $"In {deviceType} autocast, but the target dtype is not supported. Disabling autocast.\n"
                    + $"{deviceType} Autocast only supports dtypes of torch.bfloat16, torch.float16 currently."
            );
            return false;
        }

        return true;
    }

    // Where TorchSharp's no_grad was bound before NBit was there, the cache could lose gradients: it stays off.
    private static bool SeesGradMode()
    {
        if (TorchSharpInterposition.InterceptsGradMode)
        {
            return true;
        }

        Log.WarningOnce(
            "TorchSharp was used before NBit was there, so autocast works without its weight cache in this process. "
                + "Call NBitRuntime.Initialize() at the start of the program."
        );
        return false;
    }
}
