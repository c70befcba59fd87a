using NBit.Logging;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Precision;

/// <summary>From what a user asks for to a mode.</summary>
public static class PrecisionModes
{
    private static readonly Lock Gate = new();

    private static readonly OrderedDictionary<string, Func<DeviceType, PrecisionMode>> Factories = new(
        StringComparer.Ordinal
    )
    {
        ["32-true"] = static _ => new SinglePrecision(),
        ["64-true"] = static _ => new DoublePrecision(),
        ["bf16-mixed"] = static device => new MixedPrecision("bf16-mixed", device),
        ["16-mixed"] = static device => new MixedPrecision("16-mixed", device),
        ["bf16-true"] = static _ => new HalfPrecision("bf16-true"),
        ["16-true"] = static _ => new HalfPrecision("16-true"),
        ["transformer-engine"] = static _ => new TransformerEnginePrecision(ScalarType.BFloat16),
        ["transformer-engine-float16"] = static _ => new TransformerEnginePrecision(ScalarType.Float16),
        ["nf4"] = static _ => new BitsandbytesPrecision("nf4"),
        ["nf4-dq"] = static _ => new BitsandbytesPrecision("nf4-dq"),
        ["fp4"] = static _ => new BitsandbytesPrecision("fp4"),
        ["fp4-dq"] = static _ => new BitsandbytesPrecision("fp4-dq"),
        ["int8"] = static _ => new BitsandbytesPrecision("int8"),
        ["int8-training"] = static _ => new BitsandbytesPrecision("int8-training"),
    };

    /// <summary>The modes that can be had by their name.</summary>
    public static IReadOnlyList<string> Names
    {
        get
        {
            lock (Gate)
            {
                return [.. Factories.Keys];
            }
        }
    }

    /// <summary>
    /// Makes a mode by its name, as a plugin: no name is replaced by another, as "16-mixed" is on the CPU when given as
    /// a precision.
    /// </summary>
    /// <param name="name">One of <see cref="Names" />.</param>
    /// <param name="device">The kind of device that is trained on.</param>
    /// <returns>The mode.</returns>
    /// <exception cref="NotSupportedException">There is no such mode in this version.</exception>
    public static PrecisionMode Create(string name, DeviceType device)
    {
        Func<DeviceType, PrecisionMode>? factory;
        lock (Gate)
        {
            Factories.TryGetValue(name, out factory);
        }

        return factory?.Invoke(device)
            ?? throw new NotSupportedException(
                $"precision '{name}' is not in this version of NBit; it has {string.Join(", ", Names)}"
            );
    }

    /// <summary>The mode for a precision or a plugin.</summary>
    /// <param name="precision">The precision.</param>
    /// <param name="plugin">A mode that was made already; null for none.</param>
    /// <param name="device">The kind of device that is trained on.</param>
    /// <param name="owner">Who asks, for messages: Trainer or Fabric.</param>
    /// <returns>The mode.</returns>
    /// <exception cref="ArgumentException">Both were given.</exception>
    /// <exception cref="NotSupportedException">The mode is not in this version.</exception>
    internal static PrecisionMode Resolve(
        PrecisionInput precision,
        PrecisionMode? plugin,
        DeviceType device,
        string owner
    )
    {
        if (plugin is not null)
        {
            return precision.Text is null
                ? plugin
                : throw new ArgumentException(
                    $"Received both `precision={precision}` and `plugin={plugin}`. Choose one.",
                    nameof(plugin)
                );
        }

        var mode = precision.Mode;
        if (mode == "16-mixed" && device == DeviceType.CPU)
        {
            Log.Warning(
                $"You passed `{owner}(accelerator='cpu', precision='16-mixed')` but AMP with fp16 is not supported on CPU. "
                    + "Using `precision='bf16-mixed'` instead."
            );
            mode = "bf16-mixed";
        }

        var made = Create(mode, device);
        if (made is MixedPrecision)
        {
            var bits = owner == "Trainer" ? "16bit" : "16-bit";
            Log.Information($"Using {(mode == "16-mixed" ? bits : "bfloat16")} Automatic Mixed Precision (AMP)");
        }

        return made;
    }

    /// <summary>Adds a mode to those that can be had by their name.</summary>
    /// <param name="name">Its name; as a precision, only the strings of <see cref="PrecisionInput" /> can be
    /// given.</param>
    /// <param name="factory">Makes the mode for a kind of device.</param>
    internal static void Register(string name, Func<DeviceType, PrecisionMode> factory)
    {
        lock (Gate)
        {
            Factories[name] = factory;
        }
    }
}
