using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Training;

/// <summary>From <c>accelerator</c> and <c>devices</c> to a device.</summary>
internal static class DeviceSelection
{
    /// <param name="accelerator">"auto" (a GPU if there is one), "cpu", or "gpu" / "cuda".</param>
    /// <param name="devices">Which one.</param>
    /// <exception cref="ArgumentException">The accelerator is another word.</exception>
    /// <exception cref="NotSupportedException">There is no GPU, or not that many.</exception>
    public static Device Resolve(string accelerator, DevicesInput devices)
    {
        switch (accelerator)
        {
            case "cpu":
            case "auto" when !cuda.is_available():
                return devices.Index == 0
                    ? CPU
                    : throw new ArgumentException(
                        $"devices is [{devices.Index}], but there is one CPU: use 1",
                        nameof(devices)
                    );
            case "auto" or "gpu" or "cuda":
                var count = cuda.is_available() ? cuda.device_count() : 0;
                return devices.Index < count
                    ? new Device(DeviceType.CUDA, devices.Index)
                    : throw new NotSupportedException(
                        $"accelerator '{accelerator}' with device {devices.Index}: this machine has {count} CUDA devices that libtorch can use. "
                            + "Use accelerator 'cpu' or 'auto', or reference a CUDA build of libtorch."
                    );
            default:
                throw new ArgumentException(
                    $"accelerator is '{accelerator}'; allowed are 'auto', 'cpu' and 'gpu' (or 'cuda')",
                    nameof(accelerator)
                );
        }
    }
}
