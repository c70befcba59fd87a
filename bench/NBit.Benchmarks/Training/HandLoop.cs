using System.Diagnostics;
using NBit.Amp;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Benchmarks.Training;

/// <summary>The loop as a TorchSharp user writes it. TorchSharp has no autocast, so that is NBit's.</summary>
internal sealed class HandLoop(StepCase how, StepData data) : TrainingLoop(how, data)
{
    protected override double RunEpoch()
    {
        using var optimizer = How.CreateOptimizer(Model.parameters());
        var parameters = Model.parameters().ToList();
        var batches = Data.Batches();
        Model.train();

        var start = Stopwatch.GetTimestamp();
        foreach (var (inputs, labels) in batches)
        {
            using var scope = NewDisposeScope();
            Model.zero_grad(); // sets gradients to null; the optimizer's fills them with zeros, which takes longer
            Tensor loss;
            using (How.Precision == "bf16-mixed" ? new Autocast(DeviceType.CPU, ScalarType.BFloat16) : null)
            {
                loss = nn.functional.cross_entropy(Model.forward(inputs), labels);
            }

            loss.backward();
            if (How.MaxNorm is { } maxNorm)
            {
                nn.utils.clip_grad_norm_(parameters, maxNorm);
            }

            optimizer.step();
        }

        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
