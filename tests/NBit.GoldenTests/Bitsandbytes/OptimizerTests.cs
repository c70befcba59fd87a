using System.Text.Json;
using NBit.GoldenTests.Golden;
using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Bitsandbytes;

/// <summary>The recorded steps of all optimizers, made by NBit.</summary>
public sealed class OptimizerTests
{
    private static IEnumerable<string> Files() => BitsandbytesFiles.Optimizers;

    private static IEnumerable<TestCaseData> Trajectories() =>
        from file in BitsandbytesFiles.Optimizers
        from trajectory in OptimizerTrajectory.Of(file)
        select new TestCaseData(trajectory).SetName($"{file} {trajectory.Name}");

    [TestCaseSource(nameof(Trajectories))]
    public void An_optimizer_takes_the_recorded_steps(object recorded)
    {
        using var scope = NewDisposeScope();
        var trajectory = (OptimizerTrajectory)recorded;
        var answers = trajectory.Tensors.ToDictionary(
            tensor => tensor.Tensor,
            tensor => GoldenAnswer.Of(trajectory.File, tensor.Tensor, ReadmeRules.Of),
            StringComparer.Ordinal
        );
        var compared = answers.Where(answer => answer.Value.NotCompared is null).ToList();
        if (compared.Count == 0)
        {
            Skip.Differs(answers.Values.First().NotCompared!);
        }

        var actual = trajectory.Run();
        var first = compared.Select(answer => Difference(answer.Key, answer.Value, actual)).OfType<string>().ToList();
        if (first.Count == 0)
        {
            return;
        }

        // The second answer, where there is one, counts for the whole trajectory.
        var second = compared
            .Select(answer =>
                Difference(
                    answer.Key,
                    answer.Value with
                    {
                        Tensor = answer.Value.SecondTensor ?? answer.Value.Tensor,
                        SecondTensor = null,
                    },
                    actual
                )
            )
            .OfType<string>();
        Assert.That(second, Is.Empty, $"by the first answer: {string.Join("; ", first)}");
    }

    [TestCaseSource(nameof(Files))]
    public void A_tensor_of_a_file_of_optimizers_is_of_a_trajectory(string file)
    {
        var others = GoldenTensors.Of(file).Names.Where(tensor => !OptimizerTrajectory.Has(tensor));
        var inputs = Inputs().Concat(["qmap1_dynamic_signed", "qmap2_dynamic_unsigned"]).ToList();
        Assert.That(
            others,
            file != OptimizerRecording.InputFile ? Is.Empty
                : GoldenFolder.IsSubset ? Is.SupersetOf(inputs) // of all recordings
                : Is.EquivalentTo(inputs)
        );
    }

    [Test]
    public void The_committed_descriptions_are_those_of_the_recordings()
    {
        Assume.That(GoldenFolder.IsSubset, Is.False);
        var descriptions = OptimizerRecording.Descriptions().ToList();
        Assert.That(descriptions, Is.Not.Empty);
        foreach (var (name, committed, recorded) in descriptions)
        {
            Assert.That(committed.Text("class"), Is.EqualTo(recorded.Text("class")), name);
            Assert.That(
                JsonElement.DeepEquals(committed.GetProperty("kwargs"), recorded.GetProperty("kwargs")),
                Is.True,
                name
            );
        }
    }

    [Test]
    public void The_codes_of_states_are_those_of_the_dynamic_maps()
    {
        var inputs = GoldenTensors.Of(OptimizerRecording.InputFile);
        Assume.That(inputs.Names, Is.Not.Empty);
        using var scope = NewDisposeScope();
        Assert.That(
            Comparison.Exact.Difference(Codebook.DynamicSigned.ToTensor(), inputs.Read("qmap1_dynamic_signed")),
            Is.Null
        );
        Assert.That(
            Comparison.Exact.Difference(Codebook.DynamicUnsigned.ToTensor(), inputs.Read("qmap2_dynamic_unsigned")),
            Is.Null
        );
    }

    // What the trajectories read.
    private static IEnumerable<string> Inputs() =>
        BitsandbytesFiles
            .Optimizers.SelectMany(OptimizerTrajectory.Of)
            .Select(trajectory => trajectory.Name[(trajectory.Name.LastIndexOf('.') + 1)..])
            .Distinct(StringComparer.Ordinal)
            .SelectMany(which => new[] { $"{which}.param0", $"{which}.grads" });

    private static string? Difference(string tensor, GoldenAnswer answer, Dictionary<string, Tensor> actual)
    {
        if (!actual.TryGetValue(tensor, out var mine))
        {
            return $"{tensor}: NBit's state has no such tensor";
        }

        var file = GoldenTensors.Of(answer.File);
        return (answer with { SecondTensor = null }).Difference(mine, file.Read) is { } difference
            ? $"{tensor}: {difference}"
            : null;
    }
}
