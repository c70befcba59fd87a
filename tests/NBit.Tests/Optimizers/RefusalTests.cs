using NBit.Optimizers;
using NBit.Tests.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.Optimizers;

/// <summary>What optimizers refuse, before anything is changed.</summary>
public sealed class RefusalTests : DisposeScopeFixture
{
    private static readonly Dictionary<string, (Func<Parameter> Make, string Message)> Steps = new(
        StringComparer.Ordinal
    )
    {
        ["float64"] = (() => Family.Parameter(ScalarType.Float64, 5), "is Float64; allowed are Float32, Float16"),
        ["complex"] = (() => Family.Parameter(ScalarType.ComplexFloat32, 5), "is ComplexFloat32; allowed are"),
        ["sparse gradient"] = (
            () => new(randn(5, 3)) { grad = randn(5, 3).to_sparse() },
            "has a sparse gradient; only dense ones are stepped"
        ),
        ["another device"] = (
            () => new(randn(5).to(META)) { grad = randn(5).to(META) },
            "is on meta; parameters on the CPU and on CUDA are stepped"
        ),
        ["gradient of another dtype"] = (
            () => Cast(Family.Parameter(ScalarType.Float32, 5)),
            "is BFloat16 [5], its gradient Float32 [5]; both must be alike"
        ),
    };

    private static readonly Dictionary<string, (Func<Parameter[], NBitOptimizer> Make, string Message)> Options = new(
        StringComparer.Ordinal
    )
    {
        ["lr"] = (p => new Adam8bit(p, lr: -1), "LearningRate of Adam8bit is -1; allowed: finite numbers, 0 or more"),
        ["lr NaN"] = (p => new SGD8bit(p, double.NaN, 0.9), "LearningRate of SGD8bit is NaN"),
        ["lr beyond float32"] = (p => new Lion8bit(p, 1e300), "LearningRate of Lion8bit is 1E+300"),
        ["beta1"] = (p => new Adam8bit(p, betas: (1, 0.9)), "Beta1 of Adam8bit is 1; allowed: 0 to below 1"),
        ["beta1 as float32"] = (p => new Adam8bit(p, betas: (0.9999999999, 0.9)), "Beta1 of Adam8bit is 0.9999999999"),
        ["beta2"] = (p => new Lion32bit(p, betas: (0.9, -0.1)), "Beta2 of Lion32bit is -0.1"),
        ["beta3"] = (p => new AdEMAMix8bit(p, betas: (0.9, 0.99, 1)), "Beta3 of AdEMAMix8bit is 1"),
        ["momentum"] = (p => new SGD8bit(p, 0.1, 0), "Momentum of SGD8bit is 0; allowed: above 0 and below 1"),
        ["alpha of RMSprop"] = (p => new RMSprop8bit(p, alpha: 1), "Alpha of RMSprop8bit is 1; allowed: 0 to below 1"),
        ["alpha of AdEMAMix"] = (
            p => new AdEMAMix8bit(p, alpha: double.PositiveInfinity),
            "Alpha of AdEMAMix8bit is Infinity; allowed: finite numbers"
        ),
        ["alphaSteps"] = (p => new AdEMAMix8bit(p, alphaSteps: -1), "AlphaSteps of AdEMAMix8bit is -1"),
        ["eps"] = (p => new Adagrad8bit(p, eps: -1e-8), "Epsilon of Adagrad8bit is -1E-08"),
        ["weightDecay"] = (p => new LARS8bit(p, 0.1, 0.9, weightDecay: -1), "WeightDecay of LARS8bit is -1"),
        ["maxUnorm"] = (p => new LAMB8bit(p, maxUnorm: -1), "MaxUnorm of LAMB8bit is -1"),
        ["optimBits"] = (p => new AdamNBit(p, optimBits: 16), "OptimBits of AdamNBit is 16; allowed: 8 and 32"),
        ["min8bitSize"] = (p => new Adam8bit(p, settings: new() { Min8bitSize = -1 }), "Min8bitSize of Adam8bit is -1"),
        ["an option of another optimizer"] = (
            p => new Adagrad8bit(p, settings: new() { Momentum = 0.9 }),
            "Adagrad8bit has no Momentum; it has Epsilon, LearningRate, MaxUnorm"
        ),
        ["an option given twice"] = (
            p => new Adam8bit(p, settings: new() { LearningRate = 0.1 }),
            "LearningRate of Adam8bit is given twice"
        ),
        ["bits of a class with bits"] = (
            p => new Adam8bit(p, settings: new() { OptimBits = 32 }),
            "OptimBits of Adam8bit is given twice"
        ),
        ["no parameters"] = (_ => new Adam8bit(Array.Empty<Parameter>()), "Adam8bit got no parameters"),
        ["a parameter twice"] = (p => new Adam8bit([p[0], p[0]]), "parameter 1 is given twice to Adam8bit"),
        ["a name twice"] = (p => new Adam8bit([("a", p[0]), ("a", p[1])]), "parameter a is given twice to Adam8bit"),
        ["an option of a group"] = (
            p => new SGD8bit([new OptimizerGroup(p, new() { Betas = (0.9, 0.9) })], 0.1, 0.9),
            "SGD8bit has no Betas"
        ),
    };

    private static IEnumerable<string> StepNames() => Steps.Keys;

    private static IEnumerable<string> OptionNames() => Options.Keys;

    [Test]
    public void A_step_that_is_not_possible_changes_nothing([ValueSource(nameof(StepNames))] string name)
    {
        var (make, message) = Steps[name];
        var fine = Family.Parameter(ScalarType.Float32, 5000);
        using var optimizer = new Adam8bit([fine, make()]);
        var before = Family.Bytes(fine);
        Assert.That(
            () => optimizer.step(),
            Throws
                .InstanceOf<SystemException>()
                .With.Message.StartsWith("parameter 1 of Adam8bit ")
                .And.Message.Contains(message)
        );
        Assert.That(Family.Bytes(fine), Is.EqualTo(before));
        Assert.That(optimizer.NamedStates(), Is.Empty);
    }

    [Test]
    public void An_option_that_is_not_allowed_is_refused([ValueSource(nameof(OptionNames))] string name)
    {
        var (make, message) = Options[name];
        Parameter[] parameters = [new(randn(3)), new(randn(3))];
        Assert.That(() => make(parameters), Throws.ArgumentException.With.Message.StartsWith(message));
    }

    [Test]
    public void A_learning_rate_that_a_scheduler_made_negative_changes_nothing()
    {
        Parameter first = Family.Parameter(ScalarType.Float32, 5000),
            second = Family.Parameter(ScalarType.Float32, 5000);
        using var optimizer = new Adam8bit([new OptimizerGroup([first]), new OptimizerGroup([second])]);
        var before = Family.Bytes(first);
        optimizer.ParamGroups.Last().LearningRate = -0.1;
        Assert.That(
            () => optimizer.step(),
            Throws.ArgumentException.With.Message.StartsWith("LearningRate of Adam8bit is -0.1")
        );
        Assert.That(Family.Bytes(first), Is.EqualTo(before));
    }

    [Test]
    public void Groups_of_other_optimizers_are_refused()
    {
        using var optimizer = new Adam8bit([new Parameter(randn(3))]);
        Assert.That(
            () => optimizer.add_param_group(new SGD.ParamGroup([new Parameter(randn(3))], 0.1)),
            Throws.ArgumentException.With.Message.Contains("give a NBit.Optimizers.OptimizerGroup")
        );
        Assert.That(optimizer.ParamGroups.Count(), Is.EqualTo(1));
    }

    private static Parameter Cast(Parameter parameter)
    {
        NBit.Interop.NativeTensor.SetData(parameter, parameter.detach().to(ScalarType.BFloat16));
        return parameter;
    }
}
