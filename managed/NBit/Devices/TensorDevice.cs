using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Devices;

/// <summary>Questions about where tensors are. TorchSharp's devices have no equality, and there is one CPU.</summary>
internal static class TensorDevice
{
    public static bool Is(this Device device, Device other) => IsSame(device.type, device.index, other);

    public static bool IsOn(this Tensor tensor, Device device) =>
        IsSame(tensor.device_type, tensor.device_index, device);

    private static bool IsSame(DeviceType type, int index, Device device) =>
        type == device.type && (type == DeviceType.CPU || index == device.index);
}
