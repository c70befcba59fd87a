using NBit.Precision;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>Loads the model of a Hugging Face folder, whichever of those supported it is.</summary>
public static class PretrainedModel
{
    /// <summary>Loads a folder as the class that its config.json names.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="dtype">The dtype of the weights; null for the one that config.json states, else float32.</param>
    /// <param name="device">Where the weights go; null for the CPU.</param>
    /// <param name="precision">Quantizes linear layers while they are read, one after the other: never more than one is held
    /// in floating point. Layers that the folder holds quantized stay as they are. Null for none.</param>
    /// <returns>A <see cref="LlamaForCausalLM" /> or a <see cref="BertModel" />, in evaluation mode.</returns>
    /// <exception cref="FileNotFoundException">config.json, the tensors or a shard of them are missing.</exception>
    /// <exception cref="ModelFormatException">
    /// A field of config.json is wrong, or tensors are missing or of other shapes; the message names them.
    /// </exception>
    /// <exception cref="NBit.Checkpoints.SafetensorsFormatException">A file of tensors is not valid.</exception>
    /// <exception cref="NotSupportedException">
    /// It is another architecture, or quantized in a way that is not supported.
    /// </exception>
    public static nn.Module Load(
        string folder,
        ScalarType? dtype = null,
        Device? device = null,
        BitsandbytesPrecision? precision = null
    ) =>
        ModelConfig.Load(folder) is LlamaConfig
            ? LlamaForCausalLM.Load(folder, dtype, device, precision)
            : BertModel.Load(folder, dtype, device, precision);
}
