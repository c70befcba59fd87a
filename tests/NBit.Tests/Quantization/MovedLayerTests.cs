using NBit.Quantization;
using NBit.Tests.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Tests.Quantization;

/// <summary>TorchSharp's Module.to on modules with quantized weights.</summary>
public sealed class MovedLayerTests : DisposeScopeFixture
{
    private static IEnumerable<string> Kinds() => TwoLayers.Kinds;

    [Test]
    public void A_move_to_the_cpu_changes_nothing([ValueSource(nameof(Kinds))] string kind)
    {
        using var model = TwoLayers.Make(kind);
        Lora.Attach(model);
        var expected = model.forward(TwoLayers.Input());
        model.cpu();
        model.to(CPU);
        TensorAssert.Equal(model.forward(TwoLayers.Input()), expected);
    }

    [Test]
    public void Probe([ValueSource(nameof(Kinds))] string kind, [Values] bool lora, [Values("to", "half")] string how)
    {
        using var model = TwoLayers.Make(kind);
        if (lora)
        {
            Lora.Attach(model);
            using var grad = no_grad();
            foreach (var p in Lora.Parameters(model))
            {
                p.normal_();
            }
        }

        var expected = model.forward(TwoLayers.Input());
        var old = model.First.bias;
        var oldw = model.First.weight;
        if (how == "to")
        {
            model.to(ScalarType.BFloat16);
        }
        else
        {
            new NBit.Precision.HalfPrecision("bf16-true").ConvertModule(model);
        }
        TestContext.Out.WriteLine(
            $"{model.First.weight.dtype} {model.First.bias!.dtype} same {ReferenceEquals(old, model.First.bias)} {ReferenceEquals(oldw, model.First.weight)} own {LinearWeight.Of(model.First.weight)?.GetType().Name} {string.Join(" ", model.named_parameters().Select(p => p.name + (p.parameter.IsInvalid ? "!" : "")))}"
        );
        var y = model.forward(TwoLayers.Input().to(ScalarType.BFloat16)).to(ScalarType.Float32);
        TestContext.Out.WriteLine($"err {((y - expected).norm() / expected.norm()).item<float>()}");
    }

    [Test]
    public void Probe2([Values("4", "8", "8t", "e4", "e8")] string kind)
    {
        nn.Module<Tensor, Tensor> layer = kind switch
        {
            "4" => new Linear4bit(16, 8),
            "8" => new Linear8bitLt(16, 8, hasFp16Weights: false),
            "8t" => new Linear8bitLt(16, 8),
            "e4" => new Embedding4bit(16, 8),
            _ => new Embedding8bit(16, 8),
        };
        var x = kind[0] == 'e' ? arange(4) : TwoLayers.Input();
        var expected = layer.forward(x);
        layer.to(ScalarType.BFloat16);
        TestContext.Out.WriteLine(
            string.Join(" ", layer.named_parameters().Select(p => p.name + " " + p.parameter.dtype))
        );
        if (layer is Linear4bit l)
        {
            TestContext.Out.WriteLine($"{l.bias!.IsInvalid}");
        }
        if (layer is Linear8bitLt l8)
        {
            TestContext.Out.WriteLine($"{l8.bias!.IsInvalid}");
        }
        var y = layer.forward(kind[0] == 'e' ? x : x.to(ScalarType.BFloat16)).to(ScalarType.Float32);
        TestContext.Out.WriteLine($"err {((y - expected).norm() / expected.norm()).item<float>()}");
    }
}
