using NBit.TransformerEngine;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Tests.TransformerEngine;

public sealed class SmokeTests
{
    private static readonly Float8Recipe[] Recipes =
    [
        new DelayedScaling(amaxHistoryLength: 4),
        new Float8CurrentScaling(),
        new MXFP8BlockScaling(),
        new Float8BlockScaling(),
        new NVFP4BlockScaling(),
    ];

    [TestCaseSource(nameof(Recipes))]
    public void Works(Float8Recipe recipe)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        using var layer = new TE.Linear(40, 24, dtype: ScalarType.BFloat16);
        for (var step = 0; step < 3; step++)
        {
            var x = randn([2, 8, 40], ScalarType.BFloat16).requires_grad_();
            Tensor y;
            using (Float8.Autocast(recipe))
            {
                y = layer.forward(x);
            }

            layer.zero_grad();
            var dy = randn_like(y) * 0.01;
            y.backward(new[] { dy });
            using var x2 = x.detach().requires_grad_();
            var y2 = nn.functional.linear(x2, layer.weight.detach(), layer.bias!.detach());
            y2.backward(new[] { dy });
            var dw = dy.reshape(-1, 24).t().mm(x.detach().reshape(-1, 40));
            TestContext.Out.WriteLine(
                $"{(y - y2).norm().to(ScalarType.Float32).item<float>()} of {y2.norm().to(ScalarType.Float32).item<float>()}; dx {(x.grad! - x2.grad!).norm().to(ScalarType.Float32).item<float>()} of {x2.grad!.norm().to(ScalarType.Float32).item<float>()}; dw {(layer.weight.grad! - dw).norm().to(ScalarType.Float32).item<float>()} of {dw.norm().to(ScalarType.Float32).item<float>()}"
            );
        }
    }
}
