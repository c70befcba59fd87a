using NBit.Training;
using NBit.Training.Data;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.Training;

/// <summary>Validation, testing and prediction.</summary>
public sealed class EvaluationTests
{
    [Test]
    public void Metrics_are_means_weighted_by_batch_size([Values] bool test)
    {
        using var scope = NewDisposeScope();
        using var module = new Evaluated((inner, _, index) => inner.Log("m", index, batchSize: index + 1));
        using var trainer = Regression.Train();
        var means = test
            ? trainer.Test(module, [ones(1), ones(1), ones(1)])
            : trainer.Validate(module, [ones(1), ones(1), ones(1)]);
        Assert.That(means["m"], Is.EqualTo(((0 * 1) + (1 * 2) + (2 * 3)) / 6.0));
        Assert.That(trainer.LoggedMetrics["m"], Is.EqualTo(means["m"]));
    }

    [Test]
    public void A_metric_may_be_a_tensor_of_any_dtype(
        [Values(
            ScalarType.Float64,
            ScalarType.Float32,
            ScalarType.Float16,
            ScalarType.BFloat16,
            ScalarType.Int64,
            ScalarType.Bool
        )]
            ScalarType dtype
    )
    {
        using var scope = NewDisposeScope();
        using var module = new Evaluated((inner, _, _) => inner.Log("m", tensor(1).to(dtype)));
        using var trainer = Regression.Train();
        Assert.That(trainer.Test(module, [ones(1)])["m"], Is.EqualTo(1));
    }

    [Test]
    public void An_evaluation_that_fails_leaves_no_metric_to_the_next_one()
    {
        using var scope = NewDisposeScope();
        using var module = new Evaluated(
            (inner, _, index) =>
            {
                inner.Log("m", 100);
                if (index == 1)
                {
                    throw new TimeoutException();
                }
            }
        );
        using var trainer = Regression.Train();
        Assert.That(() => trainer.Validate(module, [ones(1), ones(1)]), Throws.InstanceOf<TimeoutException>());
        module.OnStep = (inner, _, _) => inner.Log("m", 1);
        Assert.That(trainer.Validate(module, [ones(1)])["m"], Is.EqualTo(1));
    }

    [Test]
    public void A_fit_that_fails_leaves_no_metric_to_the_next_one()
    {
        using var scope = NewDisposeScope();
        using var module = Regression.Make();
        using var trainer = Regression.Train();
        module.OnStep = (inner, _, _) =>
        {
            inner.Log("old", 100, onEpoch: true);
            throw new TimeoutException();
        };
        Assert.That(() => trainer.Fit(module, Regression.Batches(1)), Throws.InstanceOf<TimeoutException>());
        module.OnStep = (inner, loss, _) =>
        {
            inner.Log("new", 1, onStep: false, onEpoch: true);
            return loss;
        };
        trainer.Fit(module, Regression.Batches(1));
        Assert.That(trainer.LoggedMetrics.Keys, Is.EqualTo(new[] { "new" }));
    }

    [Test]
    public void Steps_have_no_gradients_and_the_module_is_in_evaluation_mode()
    {
        using var scope = NewDisposeScope();
        List<(bool Grad, bool Training)> seen = [];
        using var module = new Evaluated((inner, _, _) => seen.Add((is_grad_enabled(), inner.training)));
        using var trainer = Regression.Train();
        trainer.Validate(module, [ones(1)]);
        trainer.Test(module, [ones(1)]);
        trainer.Predict(module, [ones(1)]);
        Assert.That(seen, Is.EqualTo(new[] { (false, false), (false, false), (false, false) }));
        Assert.That(module.training, Is.True);
        Assert.That(is_grad_enabled(), Is.True);
    }

    [Test]
    public void Predictions_outlive_the_trainer_and_are_the_callers(
        [ValueSource(typeof(Modes), nameof(Modes.All))] string mode
    )
    {
        using var x = arange(6, ScalarType.Float32);
        using var module = new Evaluated((_, _, _) => { })
        {
            Prediction = batch => (batch * 2, new List<Tensor> { batch + 1 }),
        };
        IReadOnlyList<object?> predictions = [];
        TensorCount.AssertChangedBy(
            6,
            () =>
            {
                using var trainer = Regression.Train(plugin: Modes.Make(mode));
                predictions = trainer.Predict(module, Shuffled(x));
            }
        );
        var numbers = predictions
            .Cast<(Tensor Twice, List<Tensor> Next)>()
            .Select(prediction => (Numbers(prediction.Twice), Numbers(prediction.Next[0])));
        Assert.That(
            numbers,
            Is.EqualTo(
                new[]
                {
                    (new[] { 0f, 2 }, new[] { 1f, 2 }),
                    (new[] { 4f, 6 }, new[] { 3f, 4 }),
                    (new[] { 8f, 10 }, new[] { 5f, 6 }),
                }
            )
        );
        TensorCount.AssertChangedBy(-6, () => Dispose(predictions));
    }

    [Test]
    public void A_prediction_may_be_the_batch_itself_or_a_weight()
    {
        using var x = arange(6, ScalarType.Float32);
        using var module = new Evaluated((_, _, _) => { });
        module.Prediction = batch => (batch, (Tensor)module.Weight, module.Buffer);
        using var trainer = Regression.Train();
        IReadOnlyList<object?> predictions = [];
        TensorCount.AssertChangedBy(9, () => predictions = trainer.Predict(module, Shuffled(x)));
        Assert.That(
            predictions.Cast<(Tensor X, Tensor, Tensor)>().SelectMany(prediction => Numbers(prediction.X)),
            Is.EqualTo(new[] { 0, 1, 2, 3, 4, 5 })
        );
        Dispose(predictions);
        Assert.That(module.Weight.IsInvalid || module.Buffer.IsInvalid, Is.False, "the module's own tensors are alive");
    }

    [Test]
    public void Predictions_belong_to_the_dispose_scope_around_the_call()
    {
        using var x = arange(6, ScalarType.Float32);
        using var module = new Evaluated((_, _, _) => { }) { Prediction = batch => batch * 2 };
        using var trainer = Regression.Train();
        TensorCount.AssertChangedBy(
            0,
            () =>
            {
                using var scope = NewDisposeScope();
                Assert.That(((Tensor)trainer.Predict(module, Shuffled(x))[0]!).IsInvalid, Is.False);
            }
        );
    }

    [Test]
    public void Predictions_that_are_no_tensors_come_back_as_they_are()
    {
        using var x = arange(4, ScalarType.Float32);
        using var module = new Evaluated((_, _, _) => { })
        {
            Prediction = batch => batch.sum().item<float>() > 2 ? "large" : null,
        };
        using var trainer = Regression.Train();
        Assert.That(trainer.Predict(module, Shuffled(x)), Is.EqualTo(new[] { null, "large" }));
    }

    [Test]
    public void A_prediction_that_fails_leaves_no_tensor_behind()
    {
        using var x = arange(6, ScalarType.Float32);
        using var module = new Evaluated(
            (_, _, index) =>
            {
                if (index == 2)
                {
                    throw new TimeoutException();
                }
            }
        )
        {
            Prediction = batch => batch * 2,
        };
        using var trainer = Regression.Train();
        TensorCount.AssertChangedBy(
            0,
            () => Assert.That(() => trainer.Predict(module, Shuffled(x)), Throws.InstanceOf<TimeoutException>())
        );
    }

    [Test]
    public void A_step_that_the_module_lacks_is_named()
    {
        using var scope = NewDisposeScope();
        using var module = new Bare();
        using var trainer = Regression.Train();
        const string Message = "Bare does not override {0}, which this call of the trainer needs";
        Assert.That(() => trainer.Validate(module, [ones(1)]), Missing("ValidationStep"));
        Assert.That(() => trainer.Test(module, [ones(1)]), Missing("TestStep"));
        Assert.That(() => trainer.Predict(module, [ones(1)]), Missing("PredictStep"));
        Assert.That(() => trainer.Fit(module, [ones(1)], [ones(1)]), Missing("ValidationStep"));

        static NUnit.Framework.Constraints.IResolveConstraint Missing(string step) =>
            Throws
                .InstanceOf<NotSupportedException>()
                .With.Message.EqualTo(string.Format(System.Globalization.CultureInfo.InvariantCulture, Message, step));
    }

    [Test]
    public void A_module_is_attached_while_it_runs_only()
    {
        using var scope = NewDisposeScope();
        Trainer? seen = null;
        using var module = new Evaluated((inner, _, _) => seen = inner.Trainer);
        using var trainer = Regression.Train();
        trainer.Test(module, [ones(1)]);
        Assert.That(seen, Is.SameAs(trainer));
        Assert.That(
            () => module.Trainer,
            Throws.InvalidOperationException.With.Message.StartsWith("Evaluated is not attached to a Trainer")
        );
        Assert.That(
            () => trainer.Module,
            Throws.InvalidOperationException.With.Message.EqualTo("the trainer runs no module at the moment")
        );
        Assert.That(trainer.Stage, Is.EqualTo(Stage.None));
    }

    [Test]
    public void Null_arguments_are_refused_by_name()
    {
        using var module = new Bare();
        using var trainer = Regression.Train();
        Assert.That(() => trainer.Fit(module, null!), Refusal.OfNull("trainBatches"));
        Assert.That(() => trainer.Fit<Tensor>(null!, []), Refusal.OfNull("module"));
        Assert.That(() => trainer.Validate(module, null!), Refusal.OfNull("batches"));
        Assert.That(() => trainer.Test<Tensor>(null!, []), Refusal.OfNull("module"));
        Assert.That(() => trainer.Predict(module, null!), Refusal.OfNull("batches"));
    }

    private static ShuffledBatches<Tensor> Shuffled(Tensor x) =>
        new(
            (int)x.shape[0],
            2,
            samples =>
            {
                using var chosen = tensor(samples);
                return x.index_select(0, chosen);
            },
            shuffle: false
        );

    private static float[] Numbers(Tensor tensor)
    {
        using var wide = tensor.to(ScalarType.Float32);
        return wide.data<float>().ToArray();
    }

    private static void Dispose(IReadOnlyList<object?> predictions) =>
        NBit.Tensors.TensorTree.Tensors(predictions.ToList()).ForEach(tensor => tensor.Dispose());

    private sealed class Bare() : TrainingModule<Tensor>(nameof(Bare))
    {
        public override Tensor? TrainingStep(Tensor batch, int batchIndex) => null;

        public override IReadOnlyList<OptimizerConfiguration> ConfigureOptimizers()
        {
            var parameter = new Parameter(zeros(1));
            return [optim.SGD([parameter], 1)];
        }
    }

    private sealed class Evaluated : TrainingModule<Tensor>
    {
        public Evaluated(Action<Evaluated, Tensor, int> onStep)
            : base(nameof(Evaluated))
        {
            OnStep = onStep;
            register_parameter("weight", Weight);
            register_buffer("buffer", Buffer, persistent: false);
        }

        public Action<Evaluated, Tensor, int> OnStep { get; set; }

        public Func<Tensor, object?> Prediction { get; set; } = _ => null;

        public Parameter Weight { get; } = new(ones(2));

        public Tensor Buffer { get; } = ones(2).DetachFromDisposeScope();

        public new void Log(
            string name,
            double value,
            bool? onStep = null,
            bool? onEpoch = null,
            bool progressBar = false,
            double batchSize = 1
        ) => base.Log(name, value, onStep, onEpoch, progressBar, batchSize);

        public void Log(string name, Tensor value) => base.Log(name, value);

        public override Tensor? TrainingStep(Tensor batch, int batchIndex) => null;

        public override IReadOnlyList<OptimizerConfiguration> ConfigureOptimizers() => [];

        public override void ValidationStep(Tensor batch, int batchIndex) => OnStep(this, batch, batchIndex);

        public override void TestStep(Tensor batch, int batchIndex) => OnStep(this, batch, batchIndex);

        public override object? PredictStep(Tensor batch, int batchIndex)
        {
            OnStep(this, batch, batchIndex);
            return Prediction(batch);
        }
    }
}
