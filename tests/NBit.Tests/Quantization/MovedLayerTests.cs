using NBit.Precision;
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

    private static IEnumerable<string> CodeKinds() => TwoLayers.Kinds.Except(FloatKinds(), StringComparer.Ordinal);

    [Test]
    public void A_cast_leaves_codes_and_adapters_as_they_are([ValueSource(nameof(CodeKinds))] string kind)
    {
        using var model = Adapted(kind);
        var x = TwoLayers.Input().to(ScalarType.BFloat16);
        var (codes, expected) = (model.First.weight.detach().clone(), model.forward(x));
        model.to(ScalarType.BFloat16);
        TensorAssert.Equal(model.First.weight.detach(), codes);
        TensorAssert.Close(model.forward(x), expected, 0.02);
        Assert.That(Lora.Parameters(model).Count(), Is.EqualTo(4));
    }

    private static IEnumerable<string> FloatKinds() => ["none", "int8-training"];

    [Test]
    public void A_cast_of_a_weight_in_floating_point_keeps_its_adapter_and_its_mode(
        [ValueSource(nameof(FloatKinds))] string kind
    )
    {
        using var model = Adapted(kind);
        var x = TwoLayers.Input().to(ScalarType.BFloat16);
        var (expected, plain) = (model.forward(TwoLayers.Input()), TwoLayers.Make(kind));
        model.to(ScalarType.BFloat16);
        Assert.That(model.First.weight.dtype, Is.EqualTo(ScalarType.BFloat16));
        TensorAssert.Close(model.forward(x), expected, 0.03);
        Assert.That(
            (model.forward(x) - plain.to(ScalarType.BFloat16).forward(x))
                .abs()
                .max()
                .to(ScalarType.Float32)
                .item<float>(),
            Is.GreaterThan(0.1) // what the adapters add
        );
        Assert.That(
            LinearWeight.Of(model.First.weight),
            Is.TypeOf(LinearWeight.Of(Adapted(kind).First.weight)!.GetType())
        );
        model.forward(x).sum().backward();
        Assert.That(Lora.Parameters(model).All(parameter => parameter.grad is not null), Is.True);
    }

    [Test]
    public void Casts_to_and_fro_leave_no_more_tensors_than_those_of_ordinary_weights(
        [ValueSource(nameof(FloatKinds))] string kind
    )
    {
        Assert.That(Growth(Adapted(kind)), Is.EqualTo(Growth(TwoLayers.Make("none")))); // a new Parameter is counted twice

        static long Growth(TwoLayers model)
        {
            using (model)
            {
                Cast(model);
                var before = Tensor.TotalCount;
                Cast(model);
                Cast(model);
                return Tensor.TotalCount - before;
            }
        }

        static void Cast(TwoLayers model)
        {
            using var scope = NewDisposeScope();
            model.to(ScalarType.BFloat16);
            model.to(ScalarType.Float32);
        }
    }

    [Test]
    public void A_precision_mode_casts_what_stays_in_floating_point_in_place(
        [ValueSource(nameof(Kinds))] string kind,
        [Values("bf16-true", "16-true")] string precision
    )
    {
        using var model = Adapted(kind);
        var mode = new HalfPrecision(precision);
        var x = TwoLayers.Input().to(mode.DataType);
        var (weight, expected) = (model.First.weight, model.forward(TwoLayers.Input()));
        mode.ConvertModule(model);
        Assert.That(model.First.weight, Is.SameAs(weight));
        Assert.That(Lora.Parameters(model).Select(parameter => parameter.dtype), Is.All.EqualTo(mode.DataType));
        TensorAssert.Close(model.forward(x), expected, 0.03);
        model.forward(x).sum().backward();
        Assert.That(Lora.Parameters(model).All(parameter => parameter.grad is not null), Is.True);
    }

    private static readonly Dictionary<string, Func<nn.Module<Tensor, Tensor>>> Modules = new(StringComparer.Ordinal)
    {
        ["Linear4bit"] = () => new Linear4bit(16, 8),
        ["Linear8bitLt"] = () => new Linear8bitLt(16, 8, hasFp16Weights: false),
        ["Linear8bitLt training"] = () => new Linear8bitLt(16, 8, threshold: 5),
        ["Embedding4bit"] = () => new Embedding4bit(16, 8),
        ["Embedding8bit"] = () => new Embedding8bit(16, 8),
    };

    private static IEnumerable<string> ModuleNames() => Modules.Keys;

    [Test]
    public void A_module_of_its_own_kind_can_be_cast(
        [ValueSource(nameof(ModuleNames))] string name,
        [Values] bool adapted
    )
    {
        using var layer = Modules[name]();
        var isEmbedding = name.StartsWith("Embedding", StringComparison.Ordinal);
        if (adapted && !isEmbedding)
        {
            Lora.Attach(layer);
            Randomize(layer);
        }

        var x = isEmbedding ? arange(4) : TwoLayers.Input();
        var expected = layer.forward(x);
        layer.to(ScalarType.BFloat16);
        var y = layer.forward(isEmbedding ? x : x.to(ScalarType.BFloat16));
        TensorAssert.Close(y, expected, 0.03);
        Assert.That(
            layer.named_parameters().Where(entry => entry.name == "bias").Select(entry => entry.parameter.dtype),
            Is.All.EqualTo(ScalarType.BFloat16)
        );
        Assert.That(layer.get_parameter("weight"), Is.SameAs(layer.GetType().GetProperty("weight")!.GetValue(layer)));
        if (layer is Linear8bitLt { HasFp16Weights: true } trained)
        {
            Assert.That((trained.Threshold, trained.weight.dtype), Is.EqualTo((5.0, ScalarType.BFloat16)));
        }
    }

    private static TwoLayers Adapted(string kind)
    {
        var model = TwoLayers.Make(kind);
        Lora.Attach(model);
        Randomize(model);
        return model;
    }

    private static void Randomize(nn.Module model)
    {
        using var grad = no_grad();
        manual_seed(3);
        foreach (var parameter in Lora.Parameters(model))
        {
            parameter.normal_().mul_(0.1);
        }
    }
}
