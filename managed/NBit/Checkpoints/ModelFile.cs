using static TorchSharp.torch;

namespace NBit.Checkpoints;

/// <summary>The weights of a model in a safetensors file, quantized ones as bitsandbytes keeps them.</summary>
/// <remarks>
/// Files have the names, dtypes and bytes of a state dict of bitsandbytes, so that transformers and bitsandbytes read what
/// is written here, and the other way round.
/// </remarks>
public static class ModelFile
{
    private const int LongestList = 5;

    /// <summary>Writes the weights of a model. The file is replaced at once.</summary>
    /// <param name="model">The model.</param>
    /// <param name="path">Where to.</param>
    /// <exception cref="IOException">It could not be written; a file that was there is as it was.</exception>
    public static void Save(nn.Module model, string path)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var scope = NewDisposeScope();
        SafetensorsWriter.Save(
            path,
            ModelWeights.Of(model).ToList(),
            new Dictionary<string, string>(StringComparer.Ordinal) { ["format"] = "pt" }
        );
    }

    /// <summary>Loads the weights of a model, in whatever form the file and the model hold them.</summary>
    /// <remarks>
    /// A linear layer gets the quantized weight that the file holds for it, also where it was not quantized before. A
    /// quantized layer that the file holds in floating point is quantized anew, as it was. All else is cast to the dtype
    /// that the model has.
    /// </remarks>
    /// <param name="model">The model; as it was if the file does not fit. Where the disk fails midway, some of its tensors
    /// are loaded.</param>
    /// <param name="path">A safetensors file, an index of shards, or a folder.</param>
    /// <exception cref="ArgumentException">The file is of another model; the message lists what does not fit.</exception>
    /// <exception cref="SafetensorsFormatException">The file is not valid.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public static void Load(nn.Module model, string path)
    {
        ArgumentNullException.ThrowIfNull(model);
        using var source = TensorSource.Open(path);
        var weights = ModelWeights.Match(source, model);
        if (weights.Faults.Count > 0)
        {
            throw new ArgumentException(
                $"{path} is of another model than {model.GetType().Name}: "
                    + string.Join("; ", weights.Faults.Take(LongestList))
                    + (weights.Faults.Count > LongestList ? $"; and {weights.Faults.Count - LongestList} more" : ""),
                nameof(model)
            );
        }

        weights.Load();
    }
}
