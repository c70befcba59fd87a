using System.Text.RegularExpressions;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Golden;

/// <summary>What a recorded tensor is compared with, by nbit-rules.json or else by the README of its folder.</summary>
/// <param name="File">The file that holds the answer.</param>
/// <param name="Tensor">The answer's name in it.</param>
/// <param name="Comparison">How to compare.</param>
/// <param name="SecondTensor">Another accepted answer, of the same file; null for none.</param>
/// <param name="NotCompared">The rule by which there is nothing to compare; null where there is.</param>
public sealed record GoldenAnswer(
    string File,
    string Tensor,
    Comparison Comparison,
    string? SecondTensor = null,
    GoldenRule? NotCompared = null
)
{
    /// <summary>Finds the answer for a recorded tensor.</summary>
    /// <param name="file">The file, as a path below the golden folder.</param>
    /// <param name="tensor">The tensor's name.</param>
    /// <param name="readme">The comparison that the folder's README asks for.</param>
    /// <param name="quantizes">Whether NBit quantizes by itself; false where it loads the recorded bytes.</param>
    public static GoldenAnswer Of(
        string file,
        string tensor,
        Func<string, string, Comparison> readme,
        bool quantizes = true
    )
    {
        // The file of the answer may not be among those of the subset.
        if (
            GoldenFolder.IsSubset
            && GoldenRules.ForTensor(file, tensor) is { Kind: "differs" } rule
            && rule.Json.Text("instead") is { } instead
            && rule.Json.Text("otherwise") is null
            && !System.IO.File.Exists(GoldenFolder.PathOf(Beside(file, instead)))
        )
        {
            return new(file, tensor, Comparison.Exact, NotCompared: rule);
        }

        return Of(
            file,
            tensor,
            readme,
            quantizes,
            GoldenRules.ForTensor,
            (name, member) => GoldenTensors.Of(name).Has(member)
        );
    }

    /// <summary>
    /// Finds the tensor that nbit-rules.json gives in place of a value in a JSON file; null where it gives none.
    /// </summary>
    public static GoldenAnswer? OfJson(string file, string path)
    {
        if (GoldenRules.ForJson(file, path) is not { } rule || rule.Json.Text("instead") is not { } instead)
        {
            return null;
        }

        var other = Beside(file, instead);
        return Of(other, InsteadName(rule, path), NoReadme);

        static Comparison NoReadme(string file, string tensor) =>
            throw new InvalidDataException($"nbit-rules.json does not say how to compare {tensor} of {file}");
    }

    /// <summary>As above, with the rules and the contents of files given.</summary>
    public static GoldenAnswer Of(
        string file,
        string tensor,
        Func<string, string, Comparison> readme,
        bool quantizes,
        Func<string, string, GoldenRule?> ruleFor,
        Func<string, string, bool> holds
    )
    {
        if (ruleFor(file, tensor) is not { } rule)
        {
            return new(file, tensor, readme(file, tensor));
        }

        if (rule.Kind != "differs")
        {
            return new(file, tensor, Comparison.Of(rule.Json), SecondName(rule, file, tensor, holds));
        }

        if (rule.Json.Text("when") == "quantize" && !quantizes)
        {
            return new(file, tensor, Comparison.Exact);
        }

        if (rule.Json.Text("instead") is not { } instead)
        {
            return new(file, tensor, Comparison.Exact, NotCompared: rule);
        }

        var other = Beside(file, instead);
        var name = InsteadName(rule, tensor);
        if (holds(other, name))
        {
            return Of(other, name, readme, quantizes, ruleFor, holds);
        }

        return rule.Json.Text("otherwise") is { } kind
            ? new(file, tensor, Comparison.OfKind(kind))
            : throw new InvalidDataException($"nbit-rules.json names {name} of {other} for {tensor}; it is not there");
    }

    /// <summary>Fails unless a tensor is the answer, or the second one.</summary>
    public void Check(Tensor actual, Tensor? mask = null)
    {
        var file = GoldenTensors.Of(File);
        Assert.That(Difference(actual, file.Read, mask), Is.Null, $"{Tensor} of {File}");
    }

    /// <summary>In what a tensor differs from both answers; null where it is one of them.</summary>
    public string? Difference(Tensor actual, Func<string, Tensor> read, Tensor? mask = null)
    {
        var difference = Comparison.Difference(actual, read(Tensor), mask);
        return difference is null || SecondTensor is null
            ? difference
            : Comparison.Difference(actual, read(SecondTensor), mask);
    }

    private static string Beside(string file, string other) => $"{file[..(file.LastIndexOf('/') + 1)]}{other}";

    private static string InsteadName(GoldenRule rule, string tensor)
    {
        foreach (var pair in rule.Json.Items("replace"))
        {
            // The first key of a JSON path may come again within it: "training/mlp/int8-training/...".
            var (from, to) = (pair[0].GetString()!, pair[1].GetString()!);
            tensor = tensor.StartsWith(from, StringComparison.Ordinal)
                ? to + tensor[from.Length..]
                : tensor.Replace(from, to, StringComparison.Ordinal);
        }

        return $"{rule.Json.Text("prefix") ?? "nbit."}{tensor}";
    }

    // The star of or_tensor stands for what the rule's own star matched, or for the whole name behind "nbit.".
    private static string? SecondName(GoldenRule rule, string file, string tensor, Func<string, string, bool> holds)
    {
        if (rule.Json.Text("or_tensor") is not { } pattern)
        {
            return null;
        }

        var own = Regex.Escape(rule.Json.Text("tensor")!).Replace(@"\*", "(.*)", StringComparison.Ordinal);
        var matched = Regex.Match(tensor, $"^{own}$", RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));
        string[] stars = [matched.Groups[1].Value, tensor.Replace("nbit.", "", StringComparison.Ordinal)];
        return stars
                .Select(star => pattern.Replace("*", star, StringComparison.Ordinal))
                .FirstOrDefault(name => holds(file, name))
            ?? throw new InvalidDataException($"nbit-rules.json names {pattern} for {tensor}; {file} has none");
    }
}
