namespace NBit.Training;

/// <summary>What a module is told in one of the stages without gradients.</summary>
internal sealed record EvaluationHooks<TBatch>(
    string Data,
    int Limit,
    Action Start,
    Action EpochStart,
    Action<TBatch, int> BatchStart,
    Action<TBatch, int> BatchEnd,
    Action EpochEnd,
    Action End
)
{
    public static EvaluationHooks<TBatch> Of(Stage stage, Trainer trainer, TrainingModule<TBatch> module) =>
        stage switch
        {
            Stage.Test => new(
                "test",
                trainer.LimitTestBatches,
                module.OnTestStart,
                module.OnTestEpochStart,
                module.OnTestBatchStart,
                module.OnTestBatchEnd,
                module.OnTestEpochEnd,
                module.OnTestEnd
            ),
            Stage.Prediction => new(
                "prediction",
                trainer.LimitPredictBatches,
                module.OnPredictStart,
                module.OnPredictEpochStart,
                module.OnPredictBatchStart,
                module.OnPredictBatchEnd,
                module.OnPredictEpochEnd,
                module.OnPredictEnd
            ),
            _ => new(
                "validation",
                trainer.LimitValBatches,
                module.OnValidationStart,
                module.OnValidationEpochStart,
                module.OnValidationBatchStart,
                module.OnValidationBatchEnd,
                module.OnValidationEpochEnd,
                module.OnValidationEnd
            ),
        };
}
