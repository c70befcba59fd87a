using NBit.Amp;
using NBit.Precision;
using NBit.Training;
using TorchSharp;

namespace NBit.Tests.Training;

/// <summary>
/// The precisions that run on the CPU; 16-mixed by a plugin, since as a string it means bf16-mixed there.
/// </summary>
internal static class Modes
{
    public static readonly string[] All = ["32-true", "64-true", "bf16-true", "16-true", "bf16-mixed", "16-mixed"];

    public static PrecisionMode Make(string mode) =>
        mode == "16-mixed"
            ? new MixedPrecision(mode, DeviceType.CPU, new GradScaler(DeviceType.CPU, 8))
            : PrecisionModes.Create(mode, DeviceType.CPU);

    public static Fabric MakeFabric(string mode) => new(plugin: Make(mode), accelerator: "cpu");
}
