using NBit.Logging;
using NBit.Native;
using static TorchSharp.torch;

namespace NBit.Devices;

/// <summary>A call of libnbit.</summary>
/// <param name="context">Of the device that its arguments are on.</param>
/// <returns>The status.</returns>
internal unsafe delegate int NativeCall(nbit_context* context);

/// <summary>
/// The one place that knows of devices: runs a call of libnbit where its arguments are, and says what happens where
/// that device has no kernel for it.
/// </summary>
internal static unsafe class DeviceCall
{
    /// <summary>
    /// Runs a call where its arguments are. Where that device has no kernel for it, on the CPU with copies of them, which
    /// is slow and is said once in the log.
    /// </summary>
    /// <param name="call">Reads the arguments' addresses when it is called, as they may change.</param>
    /// <param name="arguments">Its tensors.</param>
    /// <exception cref="ArgumentException">They are on several devices, or libnbit refused one.</exception>
    /// <exception cref="NotSupportedException">Their device cannot be used.</exception>
    public static void Run(NativeCall call, params ReadOnlySpan<DenseTensor> arguments)
    {
        if (IsDone(call, "it runs on the CPU, with copies", arguments))
        {
            return;
        }

        foreach (var argument in arguments)
        {
            argument.MoveToCpu();
        }

        NativeStatus.ThrowIfFailed(call(Contexts.Cpu.Address));
        CopyBack(arguments);
    }

    /// <summary>
    /// Runs a call where its arguments are, unless that device has no kernel for it: the caller then does the same by
    /// libtorch's operations, which is said once in the log.
    /// </summary>
    /// <returns>Whether it ran.</returns>
    public static bool TryRun(NativeCall call, params ReadOnlySpan<DenseTensor> arguments) =>
        IsDone(call, "it runs by libtorch's operations", arguments);

    private static bool IsDone(NativeCall call, string instead, ReadOnlySpan<DenseTensor> arguments)
    {
        if (NativeStatus.IsDone(call(Contexts.Of(Common(arguments)).Address), out var reason))
        {
            CopyBack(arguments);
            return true;
        }

        Log.WarningOnce($"{reason}; {instead}");
        return false;
    }

    private static void CopyBack(ReadOnlySpan<DenseTensor> arguments)
    {
        foreach (var argument in arguments)
        {
            argument.CopyBack();
        }
    }

    private static Device Common(ReadOnlySpan<DenseTensor> arguments)
    {
        Device? common = null;
        foreach (var argument in arguments)
        {
            if (argument.Device is not { } device)
            {
                continue;
            }

            common ??= device;
            if (!device.Is(common))
            {
                throw new ArgumentException($"tensors are on {common} and on {device}; move them to one device");
            }
        }

        return common ?? CPU;
    }
}
