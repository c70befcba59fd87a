using System.Globalization;
using static TorchSharp.torch;

namespace NBit.Cli.Demo;

/// <summary>Handwritten digits: 8 x 8 pixel counts, scaled to 0 to 1, and what they show (see DATA.md).</summary>
internal sealed class Digits : IDisposable
{
    private const int Pixels = 64;
    private const float LargestCount = 16;
    private const long SplitSeed = 20240229; // which fifth is held out is the same for everybody

    private Digits(Tensor trainImages, Tensor trainLabels, Tensor testImages, Tensor testLabels)
    {
        (TrainImages, TrainLabels, TestImages, TestLabels) = (trainImages, trainLabels, testImages, testLabels);
    }

    /// <summary>Four fifths: float32 [n, 64].</summary>
    public Tensor TrainImages { get; }

    /// <summary>Their digits: int64 [n].</summary>
    public Tensor TrainLabels { get; }

    /// <summary>The held-out fifth: float32 [n, 64].</summary>
    public Tensor TestImages { get; }

    /// <summary>Its digits: int64 [n].</summary>
    public Tensor TestLabels { get; }

    public static Digits Load()
    {
        using var stream = typeof(Digits).Assembly.GetManifestResourceStream("digits.csv")!;
        using var reader = new StreamReader(stream);
        var rows = reader
            .ReadToEnd()
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(',').Select(field => int.Parse(field, CultureInfo.InvariantCulture)).ToArray())
            .ToArray();
        using var scope = NewDisposeScope();
        var images = tensor(rows.SelectMany(row => row.Take(Pixels)).Select(count => count / LargestCount).ToArray())
            .reshape(rows.Length, Pixels);
        var labels = tensor(rows.Select(row => (long)row[Pixels]).ToArray());
        using var generator = new Generator((ulong)SplitSeed);
        var order = randperm(rows.Length, generator: generator);
        var held = rows.Length / 5;
        var (test, train) = (order[TensorIndex.Slice(0, held)], order[TensorIndex.Slice(held)]);
        return new Digits(Keep(images[train]), Keep(labels[train]), Keep(images[test]), Keep(labels[test]));

        static Tensor Keep(Tensor tensor) => tensor.MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        TrainImages.Dispose();
        TrainLabels.Dispose();
        TestImages.Dispose();
        TestLabels.Dispose();
    }
}
