using NBit.Native;

namespace NBit.Optimizers;

/// <summary>What the kernels compute with in a step.</summary>
internal readonly record struct StepNumbers(float Beta1, float Beta2, float Beta3, float Alpha)
{
    /// <summary>The numbers of a step, AdEMAMix's by their schedules (Pagliardini et al. 2024, section 3).</summary>
    /// <param name="kernel">The optimizer's kernel.</param>
    /// <param name="settings">Its options.</param>
    /// <param name="step">1 for the first step.</param>
    public static StepNumbers Of(nbit_optimizer kernel, OptimizerSettings settings, long step) =>
        kernel == nbit_optimizer.NBIT_OPTIMIZER_RMSPROP
            ? new((float)settings.Alpha!.Value, 0, 0, 0)
            : new(
                (float)(settings.Betas?.Beta1 ?? settings.Momentum ?? 0),
                (float)(settings.Betas?.Beta2 ?? 0),
                (float)Beta3Of(settings, step),
                (float)AlphaOf(settings, step)
            );

    private static double AlphaOf(OptimizerSettings settings, long step)
    {
        var last = settings.Alpha ?? 0;
        return settings.AlphaSteps is > 0 and var steps ? Math.Min(step * last / steps, last) : last;
    }

    // From beta1 to beta3 so that the half-life of the average rises evenly.
    private static double Beta3Of(OptimizerSettings settings, long step)
    {
        var last = settings.Beta3 ?? 0;
        if (settings.Beta3Steps is not (> 0 and var steps))
        {
            return last;
        }

        var part = (double)step / steps;
        var (first, second) = (Math.Log(settings.Betas!.Value.Beta1), Math.Log(last));
        return Math.Min(Math.Exp(first * second / (((1 - part) * second) + (part * first))), last);
    }
}
