using System.Text.Json.Nodes;
using NBit.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.Training;

/// <summary>One layer that writes down which hooks were called and, where asked to, fails in one of them.</summary>
internal sealed class HookedModule : TrainingModule<Tensor>
{
    private readonly Linear _layer = nn.Linear(2, 1);

    public HookedModule()
        : base(nameof(HookedModule)) => RegisterComponents();

    public List<string> Calls { get; } = [];

    public string? FailsIn { get; init; }

    public JsonObject Saved { get; init; } = [];

    public JsonObject? Loaded { get; private set; }

    public override void Setup(Stage stage) => Note($"setup {stage}");

    public override void ConfigureModel() => Note("configure model");

    public override IReadOnlyList<OptimizerConfiguration> ConfigureOptimizers()
    {
        Note("configure optimizers");
        return [optim.SGD(parameters(), 0.1)];
    }

    public override void Teardown(Stage stage) => Note($"teardown {stage}");

    public override void OnFitStart() => Note("fit start");

    public override void OnFitEnd() => Note("fit end");

    public override void OnTrainStart() => Note("train start");

    public override void OnTrainEnd() => Note("train end");

    public override void OnTrainEpochStart() => Note("epoch start");

    public override void OnTrainEpochEnd() => Note("epoch end");

    public override void OnTrainBatchStart(Tensor batch, int batchIndex) => Note($"batch {batchIndex} start");

    public override void OnTrainBatchEnd(Tensor batch, int batchIndex) => Note($"batch {batchIndex} end");

    public override void OnBeforeZeroGrad(optim.Optimizer optimizer) => Note("before zero grad");

    public override void OnBeforeBackward(Tensor loss) => Note("before backward");

    public override void OnAfterBackward() => Note("after backward");

    public override void OnBeforeOptimizerStep(optim.Optimizer optimizer) => Note("before step");

    public override void OnValidationStart() => Note("validation start");

    public override void OnValidationEnd() => Note("validation end");

    public override void OnValidationEpochStart() => Note("validation epoch start");

    public override void OnValidationEpochEnd() => Note("validation epoch end");

    public override void OnValidationBatchStart(Tensor batch, int batchIndex) =>
        Note($"validation batch {batchIndex} start");

    public override void OnValidationBatchEnd(Tensor batch, int batchIndex) =>
        Note($"validation batch {batchIndex} end");

    public override void OnTestStart() => Note("test start");

    public override void OnTestEnd() => Note("test end");

    public override void OnTestEpochStart() => Note("test epoch start");

    public override void OnTestEpochEnd() => Note("test epoch end");

    public override void OnTestBatchStart(Tensor batch, int batchIndex) => Note($"test batch {batchIndex} start");

    public override void OnTestBatchEnd(Tensor batch, int batchIndex) => Note($"test batch {batchIndex} end");

    public override void OnPredictStart() => Note("prediction start");

    public override void OnPredictEnd() => Note("prediction end");

    public override void OnPredictEpochStart() => Note("prediction epoch start");

    public override void OnPredictEpochEnd() => Note("prediction epoch end");

    public override void OnPredictBatchStart(Tensor batch, int batchIndex) =>
        Note($"prediction batch {batchIndex} start");

    public override void OnPredictBatchEnd(Tensor batch, int batchIndex) => Note($"prediction batch {batchIndex} end");

    public override Tensor? TrainingStep(Tensor batch, int batchIndex)
    {
        Note("training step");
        return _layer.forward(batch).mean();
    }

    public override void ValidationStep(Tensor batch, int batchIndex) => Note("validation step");

    public override void TestStep(Tensor batch, int batchIndex) => Note("test step");

    public override object? PredictStep(Tensor batch, int batchIndex)
    {
        Note("prediction step");
        return null;
    }

    public override void OnSaveCheckpoint(JsonObject state)
    {
        foreach (var (name, value) in Saved)
        {
            state[name] = value?.DeepClone();
        }
    }

    public override void OnLoadCheckpoint(JsonObject state)
    {
        Loaded = state.DeepClone().AsObject();
        Note("load checkpoint");
    }

    public float[] Weight()
    {
        using var weight = _layer.weight.detach().reshape(-1);
        return weight.data<float>().ToArray();
    }

    private void Note(string call)
    {
        Calls.Add(call);
        if (call == FailsIn)
        {
            throw new InvalidOperationException($"failed in {call}");
        }
    }
}
