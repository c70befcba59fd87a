using static TorchSharp.torch;

namespace NBit.Precision;

/// <summary>Refuses optimizers of TorchSharp's that would divide by zero in float16. NBit's compute in
/// float32.</summary>
internal static class OptimizerEpsilon
{
    /// <param name="optimizer">An optimizer whose parameters are float16, or will be.</param>
    /// <exception cref="NotSupportedException">It has an epsilon that is 0 in float16.</exception>
    public static void Check(optim.Optimizer optimizer)
    {
        foreach (var group in (optimizer.ParamGroups ?? []).OfType<TorchSharp.Modules.ParamGroup>())
        {
            // TorchSharp's options have no common type for it, only a common name.
            var options = group.Options;
            if (
                options.GetType().GetField("eps")?.GetValue(options) is double epsilon
                && epsilon != 0
                && (Half)epsilon == Half.Zero
            )
            {
                throw new NotSupportedException(
                    $"{optimizer.GetType().Name} has eps {epsilon}, which is 0 in float16, the dtype of its parameters: the second step would "
                        + "divide 0 by 0. Use an eps that float16 can hold (6e-8 or more; 1e-3 trains well), bf16-true, or 16-mixed."
                );
            }
        }
    }
}
