using NBit.Checkpoints;
using NBit.Precision;
using NBit.Tests.Checkpoints;
using NBit.Tests.Training;
using NBit.TransformerEngine;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Tests.TransformerEngine;

/// <summary>Scales and histories in files.</summary>
public sealed class StateFileTests : DisposeScopeFixture
{
    private static readonly DelayedScaling Recipe = new(amaxHistoryLength: 3);
    private TemporaryDirectory _folder = null!;

    private string Path => _folder.File("model.safetensors");

    [SetUp]
    public void MakeFolder() => _folder = new();

    [TearDown]
    public void RemoveFolder() => _folder.Dispose();

    private static nn.Module<Tensor, Tensor> Make(bool converts, long seed)
    {
        manual_seed(seed);
        if (!converts)
        {
            return nn.Sequential(new TE.Linear(6, 5), nn.ReLU(), new TE.Linear(5, 4));
        }

        var model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4));
        new TransformerEnginePrecision(ScalarType.Float32).ConvertModule(model);
        return model;
    }

    private static List<float> StateOf(nn.Module model) =>
        Float8States
            .In(model)
            .SelectMany(entry =>
                new[] { entry.State.Forward, entry.State.Backward }.SelectMany(scales =>
                    scales is null ? [] : Steps.Numbers(scales.Scale).Concat(Steps.Numbers(scales.AmaxHistory))
                )
            )
            .ToList();

    private nn.Module<Tensor, Tensor> Saved(bool converts = false)
    {
        var model = Make(converts, seed: 1);
        for (var step = 0; step < 4; step++)
        {
            Steps.Run(model, randn(3, 6), Recipe);
        }

        ModelFile.Save(model, Path);
        return model;
    }

    private void Rewrite(Action<Dictionary<string, Tensor>> change)
    {
        Dictionary<string, Tensor> tensors;
        using (var reader = SafetensorsReader.Open(Path))
        {
            tensors = reader.Header.Entries.ToDictionary(
                entry => entry.Name,
                entry => reader.Read(entry.Name),
                StringComparer.Ordinal
            );
        }

        change(tensors);
        SafetensorsWriter.Save(Path, tensors.Select(entry => (entry.Key, entry.Value)).ToList());
    }

    [Test]
    public void A_loaded_model_goes_on_as_the_saved_one([Values] bool converts)
    {
        using var saved = Saved(converts);
        using var loaded = Make(converts, seed: 2);
        ModelFile.Load(loaded, Path);
        Assert.That(StateOf(loaded), Is.EqualTo(StateOf(saved)).And.Some.GreaterThan(1));
        var x = randn(3, 6);
        var steps = new[] { saved, loaded }.Select(model =>
        {
            manual_seed(4);
            return Steps.Numbers(Steps.Run(model, x, Recipe));
        });
        Assert.That(steps.Distinct(new SameNumbers()).Count(), Is.EqualTo(1));
        Assert.That(StateOf(loaded), Is.EqualTo(StateOf(saved)));
    }

    [Test]
    public void Names_are_those_of_the_modules_with_a_version()
    {
        using var saved = Saved();
        using var reader = SafetensorsReader.Open(Path);
        var names = reader
            .Header.Entries.Select(entry => entry.Name)
            .Where(name => name.Contains("fp8", StringComparison.Ordinal));
        string[] tensors =
        [
            "version",
            "scale_forward",
            "amax_history_forward",
            "scale_backward",
            "amax_history_backward",
        ];
        Assert.That(
            names,
            Is.EquivalentTo(new[] { "0", "2" }.SelectMany(layer => tensors.Select(tensor => $"{layer}.fp8.{tensor}")))
        );
    }

    [Test]
    public void A_file_without_scales_leaves_a_model_not_calibrated()
    {
        using var plain = Make(converts: false, seed: 1);
        ModelFile.Save(plain, Path);
        using var trained = Make(converts: false, seed: 2);
        Steps.Run(trained, randn(3, 6), Recipe);
        ModelFile.Load(trained, Path);
        Assert.That(StateOf(trained), Is.Empty);
    }

    [Test]
    public void A_model_that_does_not_multiply_in_8_bits_leaves_scales_aside()
    {
        using var saved = Saved();
        using var plain = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4));
        ModelFile.Load(plain, Path);
        var x = randn(3, 6);
        Assert.That(Steps.Numbers(plain.forward(x)), Is.EqualTo(Steps.Numbers(saved.forward(x))));
    }

    private static readonly (string Message, Action<Dictionary<string, Tensor>> Change)[] Damages =
    [
        ("version 2; this version of NBit reads 1", tensors => tensors["0.fp8.version"] = tensor([2L])),
        ("scales without a version", tensors => tensors.Remove("0.fp8.version")),
        ("0.fp8.scale_forward is missing", tensors => tensors.Remove("0.fp8.scale_forward")),
        ("the model has F32 [3]", tensors => tensors["0.fp8.scale_forward"] = ones(6)),
        ("the model has F32 [steps, 2]", tensors => tensors["2.fp8.amax_history_backward"] = zeros(0, 2)),
        ("the model has F32 [2]", tensors => tensors["2.fp8.scale_backward"] = ones([2], ScalarType.Float64)),
    ];

    [Test]
    public void Scales_that_do_not_fit_are_refused_before_anything_changes([Range(0, 5)] int index)
    {
        using var saved = Saved();
        Rewrite(Damages[index].Change);
        using var model = Make(converts: false, seed: 2);
        var weight = Steps.Numbers(model.parameters().First());
        Assert.That(
            () => ModelFile.Load(model, Path),
            Throws.ArgumentException.With.Message.Contains(Damages[index].Message)
        );
        Assert.That(Steps.Numbers(model.parameters().First()), Is.EqualTo(weight));
    }

    private sealed class SameNumbers : IEqualityComparer<float[]>
    {
        public bool Equals(float[]? x, float[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(float[] obj) => obj.Length;
    }
}
