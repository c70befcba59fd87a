using NBit.Optimizers;
using NBit.Tests.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.Optimizers;

/// <summary>Groups, overrides and schedulers: which options a parameter is stepped with.</summary>
public sealed class GroupTests : DisposeScopeFixture
{
    [Test]
    public void Groups_have_their_own_options_and_the_optimizers_where_they_say_nothing()
    {
        Parameter usual = One(),
            fast = One(),
            added = One();
        using var optimizer = new SGD8bit(
            [new OptimizerGroup([usual]), new OptimizerGroup([fast], new() { LearningRate = 0.2 })],
            lr: 0.1,
            momentum: 0.9
        );
        optimizer.add_param_group(new OptimizerGroup([("late", added)], new() { WeightDecay = 1 }));
        optimizer.step();
        Assert.That(Value(usual), Is.EqualTo(1 - 0.1f));
        Assert.That(Value(fast), Is.EqualTo(1 - 0.2f));
        Assert.That(Value(added), Is.EqualTo(1 - (0.1f * 2)));
        Assert.That(
            optimizer.NamedStates().Select(state => state.Name),
            Is.EqualTo(new[] { "0.state1", "1.state1", "late.state1" })
        );
        Assert.That(optimizer.ParamGroups.Select(group => group.LearningRate), Is.EqualTo(new[] { 0.1, 0.2, 0.1 }));
        Assert.That(optimizer.parameters(), Is.EqualTo(new[] { usual, fast, added }));
    }

    [Test]
    public void A_group_of_TorchSharps_without_options_is_taken()
    {
        var parameter = One();
        using var optimizer = new SGD8bit([One()], 0.1, 0.9);
        optimizer.add_param_group(new ParamGroup { Parameters = [parameter] });
        optimizer.step();
        Assert.That(Value(parameter), Is.EqualTo(1 - 0.1f));
    }

    [Test]
    public void Tied_weights_are_one_parameter()
    {
        using Linear first = nn.Linear(3, 3, hasBias: false),
            second = nn.Linear(3, 3, hasBias: false);
        second.weight = first.weight;
        using var model = nn.Sequential(first, second);
        using var optimizer = new Adam8bit(model.named_parameters());
        Assert.That(optimizer.parameters().Count(), Is.EqualTo(1));
    }

    [Test]
    public void An_embedding_keeps_32_bit_states_where_it_is_overridden(
        [Values("module", "parameter", "question")] string by
    )
    {
        using var model = nn.Sequential(("embed", nn.Embedding(100, 64)), ("head", nn.Linear(64, 100)));
        var (embedding, settings) = ((Embedding)model[0], new OptimizerSettings { OptimBits = 32 });
        switch (by)
        {
            case "module":
                GlobalOptimManager.Override(embedding, settings);
                break;
            case "parameter":
                GlobalOptimManager.Override(embedding.weight!, settings);
                break;
            default:
                Assert.That(GlobalOptimManager.Override(model, module => module is Embedding, settings), Is.EqualTo(1));
                break;
        }

        using var optimizer = new Adam8bit(model.named_parameters(), lr: 1e-3, betas: (0.9, 0.995));
        model.forward(tensor(new long[] { 1, 2 })).sum().backward();
        optimizer.step();
        var types = optimizer
            .NamedStates()
            .ToDictionary(state => state.Name, state => state.Tensor.dtype, StringComparer.Ordinal);
        Assert.That(types["embed.weight.state1"], Is.EqualTo(ScalarType.Float32));
        Assert.That(types["head.weight.state1"], Is.EqualTo(ScalarType.Byte));
    }

    [Test]
    public void Overrides_add_up_hold_in_every_step_and_can_be_taken_back()
    {
        var parameter = One();
        GlobalOptimManager.Override(parameter, new() { LearningRate = 0.5, WeightDecay = 7 });
        GlobalOptimManager.Override(parameter, new() { WeightDecay = 0 });
        using var optimizer = new SGD8bit([parameter], lr: 0.1, momentum: 0.5);
        optimizer.ParamGroups.Single().LearningRate = 0.2; // a scheduler does not move what is overridden
        optimizer.step();
        Assert.That(Value(parameter), Is.EqualTo(0.5f));
        GlobalOptimManager.Clear(parameter);
        optimizer.step();
        Assert.That(Value(parameter), Is.EqualTo(0.5f - (0.2f * 1.5f)));
        GlobalOptimManager.Override(parameter, new() { WeightDecay = 7 });
        GlobalOptimManager.Clear(parameter);
        GlobalOptimManager.Override(parameter, new() { LearningRate = 0 });
        optimizer.step();
        Assert.That(Value(parameter), Is.EqualTo(0.5f - (0.2f * 1.5f)));
    }

    [Test]
    public void A_tensor_is_held_until_an_optimizer_has_seen_its_override()
    {
        var parameter = One();
        using var optimizer = new SGD8bit([parameter], 0.1, 0.9);
        optimizer.step(); // makes the state
        TensorCount.AssertChangedBy(
            0,
            () =>
            {
                GlobalOptimManager.Override(parameter, new() { WeightDecay = 0.1 });
                GlobalOptimManager.Override(parameter, new() { LearningRate = 0.1 });
                using var scope = NewDisposeScope();
                optimizer.step();
            }
        );
    }

    [Test]
    public void An_override_that_the_optimizer_has_no_use_for_is_refused_by_the_step()
    {
        var parameter = One();
        GlobalOptimManager.Override(parameter, new() { Betas = (0.9, 0.99) });
        using var optimizer = new SGD8bit([parameter], 0.1, 0.9);
        Assert.That(() => optimizer.step(), Throws.ArgumentException.With.Message.StartsWith("SGD8bit has no Betas"));
        Assert.That(Value(parameter), Is.EqualTo(1));
    }

    [Test]
    public void Schedulers_move_the_learning_rate()
    {
        var parameter = One();
        using var optimizer = new SGD8bit([parameter], lr: 0.5, momentum: 0.5);
        var scheduler = optim.lr_scheduler.StepLR(optimizer, 1, 0.1);
        optimizer.step();
        Assert.That(Value(parameter), Is.EqualTo(0.5f));
        scheduler.step();
        optimizer.step();
        Assert.That(Value(parameter), Is.EqualTo(0.5f - (0.05f * 1.5f)).Within(1e-7));
    }

    [Test]
    public void Schedulers_move_betas_and_momentum()
    {
        using var adam = new Adam8bit([One()], betas: (0.8, 0.9));
        optim.lr_scheduler.OneCycleLR(adam, 0.1, 10);
        Assert.That(adam.Betas, Is.EqualTo((0.95, 0.9)));
        using var sgd = new SGD8bit([One()], 0.1, momentum: 0.5);
        optim.lr_scheduler.OneCycleLR(sgd, 0.1, 10);
        Assert.That(sgd.Momentum, Is.EqualTo(0.95));
        using var adagrad = new Adagrad8bit([One()]);
        Assert.That(() => optim.lr_scheduler.OneCycleLR(adagrad, 0.1, 10), Throws.ArgumentException);
    }

    [Test]
    public void Betas_and_momentum_that_are_set_hold_for_all_groups()
    {
        Parameter first = One(),
            second = One();
        using var optimizer = new SGD8bit([new OptimizerGroup([first]), new OptimizerGroup([second])], 0.1, 0.9);
        optimizer.Momentum = 0.25;
        optimizer.step();
        optimizer.step();
        Assert.That(Value(first), Is.EqualTo(1 - 0.1f - 0.125f).Within(1e-7));
        Assert.That(Value(second), Is.EqualTo(Value(first)));
        Assert.That(() => optimizer.Momentum = 1, Throws.ArgumentException);
    }

    // One element of 1, with a gradient of 1
    private static Parameter One() => new(ones(1)) { grad = ones(1) };

    private static float Value(Parameter parameter) => parameter.item<float>();
}
