using NBit.Amp;
using NBit.Native;
using NBit.Optimizers;
using NBit.Precision;
using NBit.Tests.Training;
using NBit.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.Optimizers;

/// <summary>The optimizers in every precision: scaling, clipping, what they leave behind.</summary>
public sealed class ModeTests : DisposeScopeFixture
{
    private static readonly string[] Precisions = [.. Modes.All.Where(mode => mode != "64-true")];

    [Test]
    public void A_fit_with_clipping_and_accumulation_lowers_the_loss(
        [ValueSource(nameof(Precisions))] string mode,
        [ValueSource(typeof(Family), nameof(Family.NamesIn8Bits))] string name
    )
    {
        using var module = Regression.Make();
        module.Configure = parameters => [Family.Make(name, parameters, Family.AllIn8Bits)];
        using var trainer = new Trainer(
            plugin: Modes.Make(mode),
            accelerator: "cpu",
            maxEpochs: 8,
            accumulateGradBatches: 2,
            gradientClipVal: 1,
            enableProgressBar: false,
            handleInterrupt: false
        );
        trainer.Fit(module, Regression.Batches(8));
        Assert.That(module.Losses.TakeLast(8).Average(), Is.LessThan(module.Losses.Take(8).Average()));
    }

    [Test]
    public void Float64_is_refused_by_the_first_step()
    {
        using var module = Regression.Make();
        module.Configure = parameters => [Family.Make("Adam8bit", parameters, null)];
        using var trainer = new Trainer(
            precision: "64-true",
            accelerator: "cpu",
            maxEpochs: 1,
            enableProgressBar: false,
            handleInterrupt: false
        );
        Assert.That(
            () => trainer.Fit(module, Regression.Batches(1)),
            Throws.InstanceOf<NotSupportedException>().With.Message.Contains("is Float64; allowed are Float32")
        );
    }

    [Test]
    public void The_usual_epsilon_is_fine_for_float16_parameters([Values("Adam8bit", "Adam32bit")] string name)
    {
        // The first gradients are so small that their squares are 0 in float16.
        var parameter = new Parameter(ones(4096, ScalarType.Float16)) { grad = full(4096, 1e-4, ScalarType.Float16) };
        using var optimizer = Family.Make(name, [parameter], null);
        Assert.That(() => new HalfPrecision().CheckOptimizer(optimizer, clipsGradients: true), Throws.Nothing);
        optimizer.step();
        optimizer.step();
        Assert.That(parameter[0].item<Half>(), Is.EqualTo((Half)0.998));
    }

    [Test]
    public void Scaled_gradients_step_as_unscaled_ones([Values] bool unscalesBefore)
    {
        manual_seed(1);
        Parameter plain = Family.Parameter(ScalarType.Float32, 5000),
            scaled = new(plain.detach().clone()) { grad = plain.grad! * 1024 };
        using NBitOptimizer first = new Adam8bit([plain]),
            second = new Adam8bit([scaled]);
        using var scaler = new GradScaler(DeviceType.CPU, initScale: 1024);
        scaler.Scale(tensor(1f)).Dispose();
        first.step();
        if (unscalesBefore)
        {
            scaler.Unscale(second);
        }

        scaler.Step(second);
        scaler.Update();
        Assert.That(Family.Bits(second), Is.EqualTo(Family.Bits(first)));
        Assert.That((second.GradScale, second.FoundInf), Is.EqualTo(((Tensor?)null, (Tensor?)null)));
    }

    [Test]
    public void A_skipped_step_touches_nothing([Values] bool unscalesBefore, [Values(1, 0)] int stepsBefore)
    {
        var parameter = Family.Parameter(ScalarType.Float32, 5000);
        using var optimizer = new Adam8bit([parameter]);
        for (var step = 0; step < stepsBefore; step++)
        {
            optimizer.step();
        }

        var (before, numbers) = (Family.Bits(optimizer), Numbers());
        using var scaler = new GradScaler(DeviceType.CPU, initScale: 1024);
        scaler.Scale(tensor(1f)).Dispose();
        parameter.grad![3] = float.PositiveInfinity;
        if (unscalesBefore)
        {
            scaler.Unscale(optimizer);
        }

        Assert.That(scaler.Step(optimizer), Is.Null);
        scaler.Update();
        Assert.That(scaler.CurrentScale, Is.EqualTo(512));
        Assert.That(Family.Bits(optimizer), Is.EqualTo(before));
        Assert.That(Numbers(), Is.EqualTo(numbers));

        byte[] Numbers() => optimizer.SavedState()[^1].Tensor.bytes.ToArray();
    }

    [Test]
    public void Nothing_is_left_behind([ValueSource(typeof(Family), nameof(Family.Names))] string name)
    {
        using var x = randn(4, 64);
        using var model = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 3));
        Run(); // the tables of codes are made once
        var memory = NativeMemory();
        TensorCount.AssertChangedBy(
            0,
            () =>
            {
                for (var repetition = 0; repetition < 10; repetition++)
                {
                    Run();
                }
            }
        );
        Assert.That(NativeMemory(), Is.EqualTo(memory));

        void Run()
        {
            using var optimizer = Family.All[name](model.named_parameters(), null);
            for (var step = 0; step < 3; step++)
            {
                optimizer.zero_grad();
                using (NewDisposeScope())
                {
                    model.forward(x).sum().backward();
                }

                optimizer.step();
            }
        }
    }

    [Test]
    public void States_are_released_with_the_optimizer()
    {
        var parameter = Family.Parameter(ScalarType.Float32, 5000);
        var optimizer = new Adam8bit([parameter]);
        optimizer.step();
        TensorCount.AssertChangedBy(-4, optimizer.Dispose);
        Assert.That(optimizer.NamedStates(), Is.Empty);
    }

    private static unsafe (long Bytes, long Blocks) NativeMemory()
    {
        long bytes,
            blocks;
        NativeStatus.ThrowIfFailed(Libnbit.nbit_memory_count(&bytes, &blocks));
        return (bytes, blocks);
    }
}
