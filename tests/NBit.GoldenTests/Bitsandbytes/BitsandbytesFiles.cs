using NBit.GoldenTests.Golden;

namespace NBit.GoldenTests.Bitsandbytes;

/// <summary>The files of the folder and what they hold.</summary>
public static class BitsandbytesFiles
{
    public const string Folder = "bitsandbytes";
    private const string OwnPrefix = "nbit_";
    private const string Extension = ".safetensors";

    private static readonly Dictionary<string, IReadOnlyList<Subject>> Subjects = new(StringComparer.Ordinal)
    {
        ["codebooks"] = CodebookSubjects.All,
        ["quant4bit"] = Blocks4Subjects.All,
        ["quant4bit_edge"] = Blocks4EdgeSubjects.All,
        ["quant4bit_double"] = DoubleQuantizationSubjects.All,
        ["quant8bit_blockwise"] = Blocks8Subjects.All,
        ["int8_ops"] = Int8Subjects.All,
        ["linear8bit"] = Linear8bitSubjects.All,
        ["linear4bit"] = Linear4bitSubjects.All,
    };

    /// <summary>All files with data.</summary>
    public static IEnumerable<string> All =>
        GoldenFolder.Files(Folder, $"*{Extension}").Concat(GoldenFolder.Files(Folder, "*.json"));

    /// <summary>The files whose tensors are compared one by one.</summary>
    public static IEnumerable<string> Compared => All.Where(file => Subjects.ContainsKey(Stem(file)));

    /// <summary>Whole models, as state dictionaries.</summary>
    public static IEnumerable<string> Models =>
        All.Where(file =>
            Stem(file).StartsWith("model", StringComparison.Ordinal) || Stem(file) == "packed_quant_state"
        );

    /// <summary>Trajectories of optimizers.</summary>
    public static IEnumerable<string> Optimizers =>
        All.Where(file => Stem(file).StartsWith("optim_", StringComparison.Ordinal));

    /// <summary>The subjects of a file whose tensors are compared one by one.</summary>
    public static IReadOnlyList<Subject> SubjectsOf(string file) => Subjects[Stem(file)];

    public static string RecordedFile(string file) => $"{Folder}/{Stem(file)}{Extension}";

    public static string OwnFile(string file) => $"{Folder}/{OwnPrefix}{Stem(file)}{Extension}";

    /// <summary>Names without nbit_ and extension: a recorded file and NBit's answers to it have one stem.</summary>
    private static string Stem(string file)
    {
        var stem = Path.GetFileNameWithoutExtension(file);
        return stem.StartsWith(OwnPrefix, StringComparison.Ordinal) ? stem[OwnPrefix.Length..] : stem;
    }
}
