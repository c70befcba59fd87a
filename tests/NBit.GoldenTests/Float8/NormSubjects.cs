using NBit.GoldenTests.Golden;
using NBit.TransformerEngine;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.GoldenTests.Float8;

/// <summary>LayerNorm and RMSNorm, forward and backward.</summary>
internal static class NormSubjects
{
    public static Dictionary<string, Tensor> Norms(Float8File file)
    {
        var computed = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (var entry in file.Members("cases"))
        {
            var (name, isRms) = (entry.Name, entry.Value.Text("norm") == "RMSNorm");
            var (eps, centered) = (
                entry.Value.Number("eps")!.Value,
                entry.Value.GetProperty("zero_centered_gamma").GetBoolean()
            );
            var x = file.Read($"{name}.x").requires_grad_();
            var weight = file.Read($"{name}.weight");
            using nn.Module<Tensor, Tensor> norm = isRms
                ? new TE.RMSNorm(weight.shape[0], eps, centered, weight.dtype)
                : new TE.LayerNorm(weight.shape[0], eps, centered, weight.dtype);
            var parameters = norm.named_parameters()
                .ToDictionary(pair => pair.name, pair => pair.parameter, StringComparer.Ordinal);
            using (no_grad())
            {
                foreach (var (parameter, tensor) in parameters)
                {
                    tensor.copy_(file.Read($"{name}.{parameter}"));
                }
            }

            var y = norm.forward(x);
            y.backward([file.Read($"{name}.grad_output")]);
            computed[$"{name}.out"] = y.detach();
            computed[$"{name}.grad_input"] = x.grad!;
            foreach (var (parameter, tensor) in parameters)
            {
                computed[$"{name}.grad_{parameter}"] = tensor.grad!;
            }

            var kind = isRms ? NormalizationKind.RMSNorm : NormalizationKind.LayerNorm;
            var (_, statistics) = Normalization.Compute(new(kind, eps, centered), x.detach(), weight, bias: null);
            computed[$"{name}.rsigma"] = statistics.InverseDeviation.view(-1);
            if (statistics.Mean is { } mean)
            {
                computed[$"{name}.mu"] = mean.view(-1);
            }
        }

        return computed;
    }
}
