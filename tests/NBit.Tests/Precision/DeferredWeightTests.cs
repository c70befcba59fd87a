using NBit.Checkpoints;
using NBit.Precision;
using NBit.Quantization;
using NBit.Tests.Checkpoints;
using NBit.Tests.Quantization;
using NBit.Tests.Training;
using NBit.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Tests.Precision;

/// <summary>Models made under InitModule: their full-precision weights never exist all at once.</summary>
public sealed class DeferredWeightTests : DisposeScopeFixture
{
    private static IEnumerable<string> Modes() => BitsandbytesPrecision.Modes;

    [Test]
    public void The_peak_of_memory_is_the_quantized_size_and_one_layer(
        [Values("nf4", "nf4-dq", "int8")] string mode,
        [Values(ScalarType.Float32, ScalarType.Float16)] ScalarType dtype
    )
    {
        // Beside the weights: the heap's slack, libtorch's threads, the runtime.
        const int layers = 24,
            size = 2048;
        const long slack = 24L << 20;
        var precision = mode == "int8" ? new BitsandbytesPrecision(mode) : new BitsandbytesPrecision(mode, dtype);
        using var fabric = new Fabric(plugin: precision, accelerator: "cpu");
        Make(1);
        var quantized = layers * (long)size * size / (mode == "int8" ? 1 : 2);
        var largest = (long)size * size * (precision.DataType == ScalarType.Float32 ? 4 : 2);
        var full = layers * largest;
        using var peak = new PeakMemory();
        Make(layers);
        Assert.That(peak.Growth(), Is.LessThan((1.07 * quantized) + largest + slack));
        Assert.That(full, Is.GreaterThan((1.07 * quantized) + largest + slack), "the bound says something");

        void Make(int count)
        {
            nn.Module<Tensor, Tensor> model;
            using (fabric.InitModule())
            {
                model = nn.Sequential(Enumerable.Range(0, count).Select(_ => nn.Linear(size, size, hasBias: false)));
            }

            precision.ConvertModule(model);
            model.Dispose();
        }
    }

    // kaiming_uniform_ with slope sqrt(5), as Linear has it: uniform within 1 / sqrt(inputs).
    [Test]
    public void Random_weights_are_those_of_a_linear_layer(
        [Values("nf4", "int8", "int8-training")] string mode,
        [Values] bool isIgnored
    )
    {
        const int inputs = 400;
        var precision = new BitsandbytesPrecision(mode, ignoreModules: isIgnored ? ["0"] : null);
        using var fabric = new Fabric(plugin: precision, accelerator: "cpu");
        manual_seed(1);
        nn.Module<Tensor, Tensor> model;
        using (fabric.InitModule())
        {
            model = nn.Sequential(nn.Linear(inputs, 500, hasBias: false));
        }

        precision.ConvertModule(model);
        var weight = model.forward(eye(inputs, dtype: precision.DataType)).to(ScalarType.Float64);
        var bound = 1 / Math.Sqrt(inputs);
        Assert.That(weight.mean().item<double>(), Is.EqualTo(0).Within(bound * 0.01));
        Assert.That(weight.std().item<double>(), Is.EqualTo(bound / Math.Sqrt(3)).Within(bound * 0.02));
        Assert.That(weight.abs().max().item<double>(), Is.EqualTo(bound).Within(bound * 0.02));
        model.Dispose();
    }

    private static readonly Dictionary<string, Action<TwoLayers, string>> Fillings = new(StringComparer.Ordinal)
    {
        ["initializers"] = (model, _) =>
        {
            nn.init.constant_(model.First.weight, 0.5);
            nn.init.eye_(model.Last.weight);
        },
        ["in place"] = (model, _) =>
        {
            using var grad = no_grad();
            model.First.weight.fill_(0.5);
            model.Last.weight.copy_(nn.init.eye_(zeros(TwoLayers.Outputs, TwoLayers.Hidden)));
        },
        ["state dict"] = (model, _) => model.load_state_dict(Filled().state_dict()),
        ["TorchSharp's file"] = (model, folder) =>
        {
            Filled().to(model.First.weight.dtype).save(folder + "/weights");
            model.load(folder + "/weights");
        },
        ["safetensors"] = (model, folder) =>
        {
            ModelFile.Save(Filled(), folder + "/weights");
            ModelFile.Load(model, folder + "/weights");
        },
    };

    private static IEnumerable<string> FillingNames() => Fillings.Keys;

    [Test]
    public void Weights_that_were_filled_before_the_conversion_are_kept(
        [ValueSource(nameof(FillingNames))] string filling,
        [Values("nf4", "int8", "int8-training")] string mode,
        [Values] bool inScope
    )
    {
        using var folder = new TemporaryDirectory();
        var precision = new BitsandbytesPrecision(mode);
        using var fabric = new Fabric(plugin: precision, accelerator: "cpu");
        TwoLayers model;
        using (fabric.InitModule())
        {
            model = new TwoLayers();
            if (inScope)
            {
                Fillings[filling](model, folder.Path);
            }
        }

        if (!inScope)
        {
            Fillings[filling](model, folder.Path);
        }

        precision.ConvertModule(model);
        nn.init.zeros_(model.First.bias!);
        using var expected = Filled();
        new BitsandbytesPrecision(mode).ConvertModule(expected);
        var x = eye(TwoLayers.Inputs);
        TensorAssert.Equal(model.First.forward(x), expected.First.forward(x));
        nn.init.zeros_(model.Last.bias!);
        x = eye(TwoLayers.Hidden);
        TensorAssert.Equal(model.Last.forward(x), expected.Last.forward(x));
        model.Dispose();
    }

    [Test]
    public void A_quantized_file_that_was_loaded_before_the_conversion_is_kept([Values("nf4-dq", "int8")] string mode)
    {
        using var folder = new TemporaryDirectory();
        using var saved = TwoLayers.Make();
        new BitsandbytesPrecision(mode).ConvertModule(saved);
        ModelFile.Save(saved, folder.File("weights"));
        var precision = new BitsandbytesPrecision(mode, mode == "int8" ? null : ScalarType.Float32);
        using var fabric = new Fabric(plugin: precision, accelerator: "cpu");
        TwoLayers model;
        using (fabric.InitModule())
        {
            model = new TwoLayers();
        }

        ModelFile.Load(model, folder.File("weights"));
        precision.ConvertModule(model);
        TensorAssert.Equal(model.First.weight.detach(), saved.First.weight.detach());
        TensorAssert.Equal(model.Last.weight.detach(), saved.Last.weight.detach());
        model.Dispose();
    }

    [TestCaseSource(nameof(Modes))]
    public void Adapters_that_were_attached_in_the_scope_add_nothing_yet(string mode)
    {
        var precision = TwoLayers.Mode(mode);
        using var fabric = new Fabric(plugin: precision, accelerator: "cpu");
        TwoLayers model;
        using (fabric.InitModule())
        {
            model = new TwoLayers();
            Lora.Attach(model);
        }

        precision.ConvertModule(model);
        var parameters = Lora.Parameters(model).ToList();
        Assert.That(parameters, Has.Count.EqualTo(4));
        Assert.That(parameters.Select(parameter => parameter.requires_grad), Is.All.True);
        Assert.That(parameters[1].count_nonzero().item<long>(), Is.Zero);
        Assert.That(parameters[0].count_nonzero().item<long>(), Is.Positive);
        Assert.That(parameters[0].isfinite().all().item<bool>(), Is.True);
        model.Dispose();
    }

    [Test]
    public void Weights_that_are_read_before_the_conversion_are_seen_to_be_missing()
    {
        using var fabric = new Fabric(plugin: new BitsandbytesPrecision("nf4"), accelerator: "cpu");
        using (fabric.InitModule())
        {
            using var layer = nn.Linear(32, 32);
            Assert.That(layer.weight.isnan().any().item<bool>(), Is.True);
        }
    }

    [Test]
    public void Models_that_are_never_converted_keep_no_memory()
    {
        const int size = 4096; // 64 MB of memory that is not touched
        using var fabric = new Fabric(plugin: new BitsandbytesPrecision("nf4"), accelerator: "cpu");
        Make();
        var before = AddressSpace();
        for (var i = 0; i < 20; i++)
        {
            Make();
        }

        Assert.That(AddressSpace() - before, Is.LessThan(4L * size * size * 3));

        void Make()
        {
            using (fabric.InitModule())
            {
                nn.Linear(size, size, hasBias: false).Dispose();
            }
        }

        static long AddressSpace()
        {
            using var process = System.Diagnostics.Process.GetCurrentProcess();
            return process.VirtualMemorySize64;
        }
    }

    private static TwoLayers Filled()
    {
        using var grad = no_grad();
        var model = new TwoLayers();
        model.First.weight.fill_(0.5);
        model.First.bias!.zero_();
        model.Last.weight.copy_(nn.init.eye_(zeros(TwoLayers.Outputs, TwoLayers.Hidden)));
        model.Last.bias!.zero_();
        return model;
    }
}
