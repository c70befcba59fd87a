using NBit.Precision;
using NBit.Tests.Checkpoints;
using NBit.Tests.Training;
using NBit.Training;
using NBit.TransformerEngine;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Tests.TransformerEngine;

/// <summary>Models whose weights are codes, in the trainer.</summary>
public sealed class ModelInitTrainingTests : DisposeScopeFixture
{
    private const int StepsAnEpoch = 4;

    private static readonly Float8Recipe[] Recipes =
    [
        new DelayedScaling(amaxHistoryLength: 3),
        new MXFP8BlockScaling(),
        new NVFP4BlockScaling(),
    ];

    [TestCaseSource(nameof(Recipes))]
    public void A_resumed_fit_equals_one_that_was_not_interrupted(Float8Recipe recipe)
    {
        using var folder = new TemporaryDirectory();
        var checkpoint = folder.File("half.safetensors");
        var whole = Fit(recipe, seed: 1, saveTo: checkpoint);
        var resumed = Fit(recipe, seed: 9, resumeFrom: checkpoint);
        Assert.That(resumed.Losses, Is.EqualTo(whole.Losses[StepsAnEpoch..]));
        Assert.That(resumed.Tensors, Is.EqualTo(whole.Tensors));
        Assert.That(whole.Losses[^1], Is.LessThan(whole.Losses[0]));
    }

    private static (List<float> Losses, Dictionary<string, float[]> Tensors) Fit(
        Float8Recipe recipe,
        long seed,
        string? saveTo = null,
        string? resumeFrom = null
    )
    {
        using var scope = NewDisposeScope();
        Trainer.SeedEverything(seed);
        Coded module;
        using (Float8.ModelInit(recipe))
        {
            module = new();
        }

        using (module)
        using (
            var trainer = new Trainer(
                plugin: new TransformerEnginePrecision(ScalarType.BFloat16, recipe),
                accelerator: "cpu",
                maxEpochs: 3,
                enableProgressBar: false,
                handleInterrupt: false
            )
        )
        {
            module.OnFirstEpoch = () =>
            {
                if (saveTo is not null)
                {
                    trainer.SaveCheckpoint(saveTo);
                }
            };
            trainer.Fit(module, Batches(), resumeFrom: resumeFrom);
            return (
                module.Losses,
                module
                    .state_dict()
                    .ToDictionary(entry => entry.Key, entry => Steps.Numbers(entry.Value), StringComparer.Ordinal)
            );
        }
    }

    private static List<(Tensor X, Tensor Y)> Batches()
    {
        manual_seed(3);
        return [.. Enumerable.Range(0, StepsAnEpoch).Select(_ => (randn(16, 32), ones(16, 4)))];
    }

    // The mode converts dtypes first: its masters are float32 whatever that of other weights is.
    private sealed class Coded : TrainingModule<(Tensor X, Tensor Y)>
    {
        private readonly TE.LayerNormMLP _mlp = new(32, 48);
        private readonly TE.Linear _last = new(32, 4);

        public Coded()
            : base(nameof(Coded)) => RegisterComponents();

        public Action? OnFirstEpoch { get; set; }

        public List<float> Losses { get; } = [];

        public override Tensor? TrainingStep((Tensor X, Tensor Y) batch, int batchIndex)
        {
            var loss = nn.functional.mse_loss(_last.forward(_mlp.forward(batch.X)), batch.Y);
            using var number = loss.detach().to(ScalarType.Float32);
            Losses.Add(number.item<float>());
            return loss;
        }

        public override IReadOnlyList<OptimizerConfiguration> ConfigureOptimizers()
        {
            Float8.AddMasterWeights(this);
            Assert.That(get_parameter("_mlp.fc1_weight_master")!.dtype, Is.EqualTo(ScalarType.Float32));
            return [optim.AdamW(parameters().Where(parameter => parameter.requires_grad), lr: 0.01)];
        }

        public override void OnTrainEpochEnd()
        {
            if (Losses.Count == StepsAnEpoch)
            {
                OnFirstEpoch?.Invoke();
            }
        }
    }
}
