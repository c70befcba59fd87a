namespace NBit.Checkpoints;

/// <summary>Which file of a Hugging Face folder holds the tensors.</summary>
internal static class CheckpointFolder
{
    private const string Single = "model.safetensors";
    private const string Index = "model.safetensors.index.json";

    // What other formats are called, pickled or not: worth a word where someone expects them to work.
    private static readonly string[] Others = [".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".gguf", ".onnx"];

    /// <summary>The file; a single one comes before an index, as in transformers.</summary>
    /// <exception cref="FileNotFoundException">There is none, or several that none is the index of.</exception>
    public static string Find(string folder)
    {
        foreach (var name in (string[])[Single, Index])
        {
            if (File.Exists(Path.Combine(folder, name)))
            {
                return Path.Combine(folder, name);
            }
        }

        var files = Directory.GetFiles(folder, "*.safetensors");
        return files.Length == 1
            ? files[0]
            : throw new FileNotFoundException(
                $"folder '{folder}' has no {Single} and no {Index}, and "
                    + (files.Length == 0 ? $"no other safetensors file{Hint(folder)}" : $"{files.Length} other ones")
                    + (files.Length == 0 ? "" : ": give the path of the one to open")
            );
    }

    private static string Hint(string folder)
    {
        var other = Directory
            .EnumerateFiles(folder)
            .Select(Path.GetFileName)
            .FirstOrDefault(name => Others.Contains(Path.GetExtension(name), StringComparer.OrdinalIgnoreCase));
        return other is null
            ? ""
            : $"; {TensorNames.Quote(other)} is of another format: convert it to safetensors first";
    }
}
