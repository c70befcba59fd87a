using NBit.Checkpoints;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>Gives linear layers the quantized weights that a checkpoint holds for them.</summary>
/// <remarks>The one place where loading a model touches quantization; biases are loaded as everywhere.</remarks>
internal interface IQuantizedWeightLoader
{
    /// <summary>Refuses what it cannot load, before anything is allocated.</summary>
    /// <param name="layers">All quantized layers of the checkpoint; at least one.</param>
    /// <param name="config">What config.json says of them; null where it says nothing.</param>
    /// <exception cref="NotSupportedException">A layer cannot be loaded.</exception>
    void Check(IReadOnlyList<QuantizedLayer> layers, BitsandbytesConfig? config);

    /// <summary>Gives a layer its weight.</summary>
    /// <param name="tensors">The checkpoint.</param>
    /// <param name="layer">The layer's tensors in it.</param>
    /// <param name="linear">The layer; its weight is on the meta device, of the shape that it has unquantized.</param>
    /// <param name="device">Where the weight goes.</param>
    void Load(TensorSource tensors, QuantizedLayer layer, Linear linear, Device device);
}

/// <summary>Refuses all quantized layers.</summary>
internal sealed class FloatWeightsOnly : IQuantizedWeightLoader
{
    public void Check(IReadOnlyList<QuantizedLayer> layers, BitsandbytesConfig? config) =>
        throw new NotSupportedException(
            $"{layers.Count} layers are quantized ({Formats(layers)}), {TensorNames.Quote(layers[0].Name)} for one; "
                + "this version loads float weights only: take the checkpoint that is not quantized"
        );

    public void Load(TensorSource tensors, QuantizedLayer layer, Linear linear, Device device) => Check([layer], null);

    private static string Formats(IReadOnlyList<QuantizedLayer> layers) =>
        string.Join(", ", layers.Select(layer => layer.Format).Distinct(StringComparer.Ordinal));
}
