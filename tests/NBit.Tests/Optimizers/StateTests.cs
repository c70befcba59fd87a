using NBit.Checkpoints;
using NBit.Optimizers;
using NBit.Tests.Checkpoints;
using NBit.Tests.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.Optimizers;

/// <summary>States in files: what follows is what would have followed, bit for bit.</summary>
public sealed class StateTests : DisposeScopeFixture
{
    private const int Before = 3,
        After = 4;
    private static readonly OptimizerSettings Rounding = new() { RoundingSeed = 3 };

    // What is done to a good state, and the fault that is named
    private static readonly Dictionary<string, (Action<Dictionary<string, Tensor>> Damage, string Message)> Damages =
        new(StringComparer.Ordinal)
        {
            ["no numbers"] = (
                tensors => tensors.Remove("param_groups"),
                "there is no tensor 'param_groups' of bytes, which every state has"
            ),
            ["other numbers"] = (
                tensors => tensors["param_groups"] = tensor("{}"u8.ToArray()),
                "'param_groups' holds no numbers of an optimizer"
            ),
            ["a missing tensor"] = (tensors => tensors.Remove("a.absmax1"), "it lacks a.absmax1"),
            ["no state at all"] = (tensors => tensors.Remove("a.state1"), "a was stepped 1 times and has no state"),
            ["another shape"] = (
                tensors => tensors["a.absmax2"] = zeros(3),
                "a.absmax2 is F32 [3]; it must be Float32 [20]"
            ),
            ["another dtype"] = (
                tensors => tensors["b.state2"] = zeros(10, ScalarType.Float64),
                "b.state2 is F64 [10]; it must be Float32 [10]"
            ),
            ["an option out of range"] = (
                tensors => Rewrite(tensors, "\"weight_decay\":0", "\"weight_decay\":-2"),
                "WeightDecay of Adam8bit is -2"
            ),
            ["a missing option"] = (
                tensors => Rewrite(tensors, "\"weight_decay\":0", "\"weight_decay\":null"),
                "a group has no WeightDecay"
            ),
            ["a parameter that is null"] = (
                tensors => Rewrite(tensors, "{\"name\":\"a\",\"step\":1}", "null"),
                "or a group in it or a parameter is null"
            ),
            ["a negative step"] = (tensors => Rewrite(tensors, "\"step\":1", "\"step\":-1"), "a was stepped -1 times"),
        };

    private static IEnumerable<string> DamageNames() => Damages.Keys;

    [Test]
    public void A_state_that_was_loaded_goes_on_as_the_one_that_was_saved(
        [ValueSource(typeof(Family), nameof(Family.Names))] string name,
        [Values(ScalarType.Float32, ScalarType.BFloat16)] ScalarType dtype
    )
    {
        using var folder = new TemporaryDirectory();
        var whole = Make();
        using var first = Family.All[name](whole, Rounding);
        Run(first, 0, Before);
        first.SaveState(folder.File("state.safetensors"));
        var copies = whole.Select(entry => (entry.Name, new Parameter(entry.Parameter.detach().clone()))).ToArray();
        Run(first, Before, After);

        using var second = Family.All[name](copies, Rounding);
        Run(second, 7, 2); // what it has is replaced
        foreach (var (copy, index) in copies.Select((copy, index) => (copy.Item2, index)))
        {
            using (no_grad())
            {
                copy.copy_(Saved[index]);
            }
        }

        second.LoadState(folder.File("state.safetensors"));
        Run(second, Before, After);
        Assert.That(Family.Bits(second), Is.EqualTo(Family.Bits(first)));

        (string Name, Parameter Parameter)[] Make()
        {
            manual_seed(1);
            return
            [
                ("a", new(randn(80, 64).to(dtype))),
                ("b", new(randn(10).to(dtype))),
                ("never stepped", new(randn(10).to(dtype))),
            ];
        }

        void Run(NBitOptimizer optimizer, int from, int steps)
        {
            for (var step = from; step < from + steps; step++)
            {
                manual_seed(100 + step);
                foreach (var parameter in optimizer.parameters().Take(2))
                {
                    parameter.grad = randn(parameter.shape).to(dtype);
                }

                optimizer.step();
            }

            if (from == 0)
            {
                Saved = [.. optimizer.parameters().Select(parameter => parameter.detach().clone())];
            }
        }
    }

    [Test]
    public void Names_are_those_of_the_parameters()
    {
        using var optimizer = Stepped();
        var saved = optimizer.SavedState();
        Assert.That(
            saved.Select(entry => $"{entry.Name} {entry.Tensor.dtype}"),
            Is.EqualTo(
                new[]
                {
                    "a.state1 Byte",
                    "a.state2 Byte",
                    "a.absmax1 Float32",
                    "a.absmax2 Float32",
                    "b.state1 Float32",
                    "b.state2 Float32",
                    "param_groups Byte",
                }
            )
        );
    }

    [Test]
    public void Learning_rates_and_options_are_restored()
    {
        using var folder = new TemporaryDirectory();
        using var optimizer = Stepped();
        optimizer.ParamGroups.Single().LearningRate = 0.125;
        optimizer.Betas = (0.5, 0.75);
        optimizer.SaveState(folder.File("state"));
        using var other = Stepped();
        other.LoadState(folder.File("state"));
        var group = other.ParamGroups.Single();
        Assert.That(
            (group.LearningRate, group.InitialLearningRate, other.Betas),
            Is.EqualTo((0.125, 1e-3, (0.5, 0.75)))
        );
    }

    [Test]
    public void A_state_that_does_not_fit_is_refused_and_changes_nothing([ValueSource(nameof(DamageNames))] string name)
    {
        using var folder = new TemporaryDirectory();
        var (damage, message) = Damages[name];
        using var saved = Stepped();
        var tensors = saved
            .SavedState()
            .ToDictionary(entry => entry.Name, entry => entry.Tensor, StringComparer.Ordinal);
        damage(tensors);
        SafetensorsWriter.Save(folder.File("state"), tensors.Select(entry => (entry.Key, entry.Value)));
        using var optimizer = Stepped();
        var before = Family.Bits(optimizer);
        TensorCount.AssertChangedBy(
            0,
            () =>
                Assert.That(
                    () => optimizer.LoadState(folder.File("state")),
                    Throws
                        .ArgumentException.With.Message.StartsWith("the state does not fit Adam8bit: ")
                        .And.Message.Contains(message)
                )
        );
        Assert.That(Family.Bits(optimizer), Is.EqualTo(before));
    }

    [Test]
    public void The_state_of_another_optimizer_and_of_other_parameters_is_refused()
    {
        using var folder = new TemporaryDirectory();
        using var saved = Stepped();
        saved.SaveState(folder.File("state"));
        using var lion = new Lion8bit(Parameters());
        Assert.That(
            () => lion.LoadState(folder.File("state")),
            Throws.ArgumentException.With.Message.Contains("it is the state of Adam8bit, and not of Lion8bit")
        );
        using var turned = new Adam8bit(Parameters().Reverse());
        Assert.That(
            () => turned.LoadState(folder.File("state")),
            Throws.ArgumentException.With.Message.Contains("it is of the parameter groups [a, b], and not of [b, a]")
        );
    }

    private List<Tensor> Saved { get; set; } = [];

    private static Adam8bit Stepped()
    {
        var optimizer = new Adam8bit(Parameters());
        optimizer.step();
        return optimizer;
    }

    private static (string, Parameter)[] Parameters() =>
        [("a", Family.Parameter(ScalarType.Float32, 5000)), ("b", Family.Parameter(ScalarType.Float32, 10))];

    private static void Rewrite(Dictionary<string, Tensor> tensors, string old, string with)
    {
        var text = System.Text.Encoding.UTF8.GetString(tensors["param_groups"].bytes);
        Assert.That(text, Does.Contain(old));
        tensors["param_groups"] = tensor(
            System.Text.Encoding.UTF8.GetBytes(text.Replace(old, with, StringComparison.Ordinal))
        );
    }
}
