using System.Globalization;
using NBit.Amp;
using NBit.Optimizers;
using NBit.Testing;
using NBit.Tests.Optimizers;
using NBit.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.Examples;

/// <summary>The code of docs/optimizers.md.</summary>
public sealed class OptimizersExamples : ExampleFixture
{
    [Test]
    public void Bits_are_an_argument()
    {
        var batches = Batches;

        // docs/optimizers: bits
        var model = nn.Sequential(nn.Linear(64, 1024), nn.ReLU(), nn.Linear(1024, 10));
        using var optimizer = new AdamWNBit(model.named_parameters(), lr: 1e-3, eps: 1e-6, optimBits: 8);
        var scheduler = optim.lr_scheduler.StepLR(optimizer, step_size: 2, gamma: 0.5);
        foreach (var (x, y) in batches)
        {
            optimizer.zero_grad();
            using var loss = nn.functional.cross_entropy(model.forward(x), y);
            loss.backward();
            optimizer.step();
            scheduler.step();
        }
        // end
        Assert.That(optimizer.ParamGroups.Single().LearningRate, Is.EqualTo(1.25e-4));
        Assert.That(optimizer.NamedStates().Select(state => state.Tensor.dtype), Does.Contain(ScalarType.Byte));
    }

    [Test]
    public void Bytes_a_parameter()
    {
        // docs/optimizers: bytes
        var weight = new Parameter(randn(4096, 4096)) { grad = randn(4096, 4096) };
        using var optimizer = new Adam8bit([weight]);
        optimizer.step();
        var bytes = (double)MemorySize.OptimizerBytes(optimizer) / weight.numel(); // 2.031; in 32 bits 8
        // end
        Assert.That(bytes, Is.EqualTo(2 * (1 + (4 / 256.0))));
    }

    [Test]
    public void The_bytes_of_the_table_are_those_of_the_states()
    {
        var page = File.ReadAllLines(Path.Combine(Repository.Root, "docs", "optimizers.md"));
        foreach (var (name, make) in Family.All)
        {
            using var parameter = Family.Parameter(ScalarType.Float32, 4096);
            using var optimizer = make([("weight", parameter)], null);
            optimizer.step();
            var row = page.Single(line => line.StartsWith('|') && line.Contains($"`{name}`", StringComparison.Ordinal));
            var cell = row.Split('|')[name.EndsWith("8bit", StringComparison.Ordinal) ? 4 : 5].Trim();
            var bytes = MemorySize.OptimizerBytes(optimizer) / 4096.0;
            Assert.That(cell, Is.EqualTo(bytes.ToString("0.###", CultureInfo.InvariantCulture)), name);
        }
    }

    [Test]
    public void The_limit_of_8_bits_can_be_moved()
    {
        var model = nn.Linear(64, 16);

        // docs/optimizers: limit
        using var optimizer = new Lion8bit(model.named_parameters(), settings: new() { Min8bitSize = 1024 });
        // end
        nn.functional.cross_entropy(model.forward(randn(4, 64)), randint(0, 10, 4)).backward();
        optimizer.step();
        Assert.That(
            optimizer.NamedStates().Where(state => state.Name.Contains("state1")).Select(state => state.Tensor.dtype),
            Is.EqualTo(new[] { ScalarType.Byte, ScalarType.Float32 })
        );
    }

    [Test]
    public void Groups_have_options_of_their_own()
    {
        var (body, head) = (nn.Linear(64, 64), nn.Sequential(("head", nn.Linear(64, 10))));

        // docs/optimizers: groups
        using var optimizer = new AdamW8bit(
            [
                new OptimizerGroup(body.named_parameters()),
                new OptimizerGroup(head.named_parameters(), new() { LearningRate = 1e-2, WeightDecay = 0 }),
            ],
            lr: 1e-3
        );
        // end
        Assert.That(optimizer.ParamGroups.Select(group => group.LearningRate), Is.EqualTo(new[] { 1e-3, 1e-2 }));
    }

    [Test]
    public void An_embedding_has_32_bit_states()
    {
        // docs/optimizers: embedding
        var model = nn.Sequential(("embed", nn.Embedding(1000, 64)), ("head", nn.Linear(64, 1000)));
        GlobalOptimManager.Override(model, module => module is Embedding, new() { OptimBits = 32 });
        using var optimizer = new Adam8bit(model.named_parameters());
        // end
        nn.functional.cross_entropy(model.forward(randint(0, 1000, 4)), randint(0, 1000, 4)).backward();
        optimizer.step();
        var states = optimizer
            .NamedStates()
            .ToDictionary(state => state.Name, state => state.Tensor.dtype, StringComparer.Ordinal);
        Assert.That(states["embed.weight.state1"], Is.EqualTo(ScalarType.Float32));
        Assert.That(states["head.weight.state1"], Is.EqualTo(ScalarType.Byte));
    }

    [Test]
    public void Options_without_use_are_refused()
    {
        var weight = new Parameter(randn(4096));

        // docs/optimizers: refused
        var settings = new OptimizerSettings { Momentum = 0.9 };
        NBitOptimizer Make() => new Adam8bit([weight], settings: settings); // throws: Adam8bit has no Momentum
        // end
        Assert.That(Make, Throws.ArgumentException.With.Message.StartsWith("Adam8bit has no Momentum"));
    }

    [Test]
    public void A_small_epsilon_leaps_where_the_mean_square_became_0()
    {
        // docs/optimizers: epsilon
        Parameter Train(double eps)
        {
            // One element of the block has a gradient 10,000 times as large as the others'. Then all gradients are 0.
            var gradient = full(4096, 1e-4);
            gradient[0] = 1;
            var weight = new Parameter(zeros(4096)) { grad = gradient };
            using var optimizer = new Adam8bit([weight], lr: 1e-3, eps: eps);
            optimizer.step();
            weight.grad!.zero_();
            optimizer.step();
            return weight;
        }

        var leap = Train(1e-8)[1].item<float>(); // -4.5 or so
        var step = Train(1e-4)[1].item<float>(); // less than 0.002
        // end
        Assert.That(leap, Is.EqualTo(-4.5).Within(0.5));
        Assert.That(step, Is.Negative.And.GreaterThan(-0.002));
    }

    [Test]
    public void A_scaler_leaves_gradients_to_the_optimizer()
    {
        var model = nn.Linear(64, 128);
        var (x, y) = Batches[0];
        using var optimizer = new Adam8bit(model.parameters());

        // docs/optimizers: scaler
        using var scaler = new GradScaler(DeviceType.CPU, initScale: 1024);
        using var loss = nn.functional.cross_entropy(model.forward(x), y);
        scaler.Scale(loss).backward();
        scaler.Step(optimizer);
        scaler.Update();
        // end
        Assert.That(optimizer.NamedStates(), Is.Not.Empty);
        Assert.That(scaler.CurrentScale, Is.EqualTo(1024));
    }

    [Test]
    public void Stochastic_rounding_keeps_small_updates()
    {
        // docs/optimizers: rounding
        Tensor Train(OptimizerSettings? settings)
        {
            var weight = new Parameter(ones(4096, ScalarType.BFloat16));
            using var optimizer = new Adam8bit([weight], lr: 1e-4, settings: settings);
            for (var step = 0; step < 100; step++)
            {
                weight.grad = ones(4096, ScalarType.BFloat16);
                optimizer.step(); // 1e-4 less; the next smaller bfloat16 is 0.0039 away
            }

            return weight.to(ScalarType.Float32);
        }

        var nearest = Train(null).mean().item<float>(); // 1: nothing has moved
        var stochastic = Train(new() { RoundingSeed = 7 }).mean().item<float>(); // 0.99
        // end
        Assert.That(nearest, Is.EqualTo(1));
        Assert.That(stochastic, Is.EqualTo(0.99).Within(0.001));
    }

    [Test]
    public void A_gradient_of_NaN_in_8_bits()
    {
        var weight = new Parameter(ones(4096)) { grad = ones(4096) };
        using var optimizer = new Adam8bit([weight]);

        // docs/optimizers: NaN
        weight.grad![3] = float.NaN;
        optimizer.step();
        var untouched = weight[3].item<float>(); // as it was; weight[4] has moved
        // end
        Assert.That(untouched, Is.EqualTo(1));
        Assert.That(weight[4].item<float>(), Is.LessThan(1));
    }

    [Test]
    public void States_are_saved_and_loaded()
    {
        var (model, copy) = (nn.Linear(64, 128), nn.Linear(64, 128));
        copy.load_state_dict(model.state_dict());
        using var optimizer = new Adam8bit(model.named_parameters(), lr: 1e-2);
        Train(model, optimizer);
        copy.load_state_dict(model.state_dict());

        // docs/optimizers: state
        optimizer.SaveState("optimizer.safetensors");
        using var resumed = new Adam8bit(copy.named_parameters(), lr: 1e-3);
        resumed.LoadState("optimizer.safetensors"); // the steps that follow are the same, bit for bit
        // end
        Train(model, optimizer);
        Train(copy, resumed);
        Assert.That(Family.Bits(resumed), Is.EqualTo(Family.Bits(optimizer)));

        static void Train(nn.Module<Tensor, Tensor> model, NBitOptimizer optimizer)
        {
            optimizer.zero_grad();
            nn.functional.cross_entropy(model.forward(Batches[0].X), Batches[0].Y).backward();
            optimizer.step();
        }
    }
}
