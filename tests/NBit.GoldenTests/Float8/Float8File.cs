using System.Text.Json;
using NBit.GoldenTests.Golden;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Float8;

/// <summary>A file of the folder, with what the manifest says of it.</summary>
public sealed class Float8File
{
    private const string Folder = "float8";
    private static readonly JsonElement Manifest = GoldenFolder.Json($"{Folder}/manifest.json");

    private readonly JsonElement _entry;
    private readonly GoldenTensors _tensors;

    private Float8File(string name, JsonElement entry)
    {
        (Name, _entry) = (name, entry);
        _tensors = GoldenTensors.Of($"{Folder}/{name}");
    }

    /// <summary>All files of the manifest that are in the folder: the committed subset has some of them.</summary>
    public static IEnumerable<Float8File> All =>
        Named
            .Where(file => File.Exists(GoldenFolder.PathOf($"{Folder}/{file.Name}")))
            .Select(file => new Float8File(file.Name, file.Value));

    /// <summary>The names of the files that the manifest names and the folder lacks.</summary>
    public static IEnumerable<string> Missing =>
        Named.Select(file => file.Name).Except(All.Select(file => file.Name), StringComparer.Ordinal);

    private static IEnumerable<JsonProperty> Named =>
        Manifest.TryGetProperty("files", out var files) ? files.EnumerateObject() : [];

    /// <summary>The file's name, with its extension.</summary>
    public string Name { get; }

    /// <summary>The tensors that NBit computes.</summary>
    public IEnumerable<string> Outputs =>
        _entry
            .GetProperty("tensors")
            .EnumerateObject()
            .Where(tensor => tensor.Value.Text("rule") != "input")
            .Select(tensor => tensor.Name);

    /// <summary>The members of an object among the file's settings.</summary>
    public IEnumerable<JsonProperty> Members(string key) => _entry.GetProperty(key).EnumerateObject();

    public string Text(string key) => _entry.Text(key)!;

    public int Number(string key, int otherwise) => (int)(_entry.Number(key) ?? otherwise);

    public double Real(string key) => _entry.Number(key)!.Value;

    public bool Has(string tensor) => _tensors.Has(tensor);

    public Tensor Read(string tensor) => _tensors.Read(tensor);

    /// <summary>How a tensor is compared, by the README of the folder.</summary>
    public Comparison ComparisonOf(string tensor)
    {
        var rule = _entry.GetProperty("tensors").GetProperty(tensor);
        return rule.Text("rule") switch
        {
            "exact" => Comparison.Exact,
            "rel1e-6" => Comparison.Close(relative: 1e-6),
            "gemm" or "close" => Close(rule),
            "rel_l2" => Close(rule) with { RelativeNorm = rule.Number("rel_l2") },
            "codes" => Comparison.Codes(rule.Number("max_flip_fraction")!.Value, maxStep: 1),
            var other => throw new InvalidDataException(
                $"{Name}: {tensor} has a rule '{other}' that is not known here"
            ),
        };
    }

    private static Comparison Close(JsonElement rule) =>
        Comparison.Close(rule.Number("rtol") ?? 0, rule.Number("atol") ?? 0) with
        {
            BFloat16Ulps = rule.Number("bf16_ulps") ?? 0,
        };
}
