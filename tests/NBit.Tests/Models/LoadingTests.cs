using NBit.Checkpoints;
using NBit.Models;
using NBit.Precision;
using NBit.Testing;
using NBit.Tests.Checkpoints;
using NBit.Tests.Training;
using static TorchSharp.torch;

namespace NBit.Tests.Models;

/// <summary>How a folder's tensors get into a model.</summary>
public sealed class LoadingTests : DisposeScopeFixture
{
    private const string Weight = "model.layers.0.mlp.up_proj.weight";

    [Test]
    public void Every_tensor_is_the_file_s([Values(TinyModels.LlamaJson, TinyModels.BertJson)] string json)
    {
        using var folder = TinyModels.Folder(json);
        using var model = PretrainedModel.Load(folder.Path);
        using var source = TensorSource.Open(folder.Path);

        var tensors = model.state_dict();

        Assert.That(tensors.Keys, Is.EquivalentTo(source.Names));
        foreach (var (name, tensor) in tensors)
        {
            Assert.That(TinyModels.AllClose(tensor, source.Read(name), 0), Is.True, name);
            Assert.That(tensor.requires_grad, Is.True, name);
        }

        Assert.That(model.training, Is.False);
    }

    [Test]
    public void Weights_have_the_dtype_that_is_wished_else_the_config_s_else_float32(
        [Values(null, ScalarType.Float16, ScalarType.BFloat16, ScalarType.Float32, ScalarType.Float64)]
            ScalarType? wished,
        [Values(null, "bfloat16")] string? stated
    )
    {
        using var folder = TinyModels.Folder(
            TinyModels.LlamaJson,
            change: tensors => tensors.Select(entry => (entry.Key, entry.Value.to(float16)))
        );
        TinyModels.WriteConfig(folder, TinyModels.LlamaJson, stated is null ? "" : $"\"dtype\": \"{stated}\",");

        using var model = LlamaForCausalLM.Load(folder.Path, wished);
        using var grad = no_grad();

        var expected = wished ?? (stated is null ? ScalarType.Float32 : ScalarType.BFloat16);
        Assert.That(model.parameters().Select(parameter => parameter.dtype), Is.All.EqualTo(expected));
        Assert.That(model.forward(TinyModels.Tokens(1, 3)).dtype, Is.EqualTo(expected));
        Assert.That(get_default_dtype(), Is.EqualTo(float32));
        Assert.That(get_default_device().type, Is.EqualTo(TorchSharp.DeviceType.CPU));
    }

    [Test]
    public void A_dtype_that_is_no_weight_s_is_refused()
    {
        using var folder = TinyModels.Folder(TinyModels.LlamaJson);

        var error = Assert.Throws<ArgumentException>(() => LlamaForCausalLM.Load(folder.Path, int8));
        Assert.That(error!.Message, Does.Contain("Int8").And.Contain("bfloat16"));
    }

    [Test]
    public void Loading_and_disposing_leave_no_tensors(
        [Values(TinyModels.LlamaJson, TinyModels.BertJson)] string json,
        [Values] bool scoped
    )
    {
        using var folder = TinyModels.Folder(json);
        Load();
        TensorCount.AssertChangedBy(2 * Parameters(json), Load); // made on the meta device, and for good

        void Load()
        {
            nn.Module model;
            using (scoped ? NewDisposeScope() : null)
            {
                model = PretrainedModel.Load(folder.Path);
            }

            Assert.That(
                model.parameters().All(parameter => !parameter.IsInvalid),
                Is.True,
                "the model owns its tensors"
            );
            model.Dispose();
        }
    }

    [Test]
    public void A_model_made_in_a_scope_outlives_it()
    {
        LlamaForCausalLM model;
        using (NewDisposeScope())
        {
            model = new LlamaForCausalLM(TinyModels.Config<LlamaConfig>(TinyModels.LlamaJson));
        }

        Assert.That(model.forward(TinyModels.Tokens(1, 2)).shape, Is.EqualTo(new long[] { 1, 2, 40 }));
        model.Dispose();
    }

    private static IEnumerable<TestCaseData> Faults()
    {
        yield return Case("missing", t => t.Remove(Weight), $"'{Weight}' is missing");
        yield return Case(
            "shape",
            t => t[Weight] = zeros(20, 23),
            $"'{Weight}' has shape [20, 23] instead of [20, 24]"
        );
        yield return Case("dtype", t => t[Weight] = zeros(20, 24, int32), $"'{Weight}' is I32 [20, 24], where F16");
        yield return Case(
            "many",
            t => t.Keys.ToList().ForEach(name => t.Remove(name, out _)),
            "is missing; and 16 more",
            keepOne: true
        );

        static TestCaseData Case(
            string name,
            Action<Dictionary<string, Tensor>> change,
            string expected,
            bool keepOne = false
        ) =>
            new TestCaseData(
                (Func<Dictionary<string, Tensor>, IEnumerable<(string, Tensor)>>)(
                    tensors =>
                    {
                        change(tensors);
                        return tensors
                            .Select(entry => (entry.Key, entry.Value))
                            .Append(("other", ones(keepOne ? 1 : 2)));
                    }
                ),
                expected
            ).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Faults))]
    public void Tensors_that_do_not_make_the_model_are_named_and_nothing_stays(
        Func<Dictionary<string, Tensor>, IEnumerable<(string, Tensor)>> change,
        string expected
    )
    {
        using var folder = TinyModels.Folder(TinyModels.LlamaJson, change: change);

        TensorCount.AssertChangedBy(
            Parameters(TinyModels.LlamaJson),
            () =>
            {
                var error = Assert.Throws<ModelFormatException>(() => LlamaForCausalLM.Load(folder.Path));
                Assert.That(error!.Message, Does.Contain(expected));
            }
        );
    }

    [Test]
    public void A_tensor_without_a_place_is_reported_and_left_out()
    {
        using var folder = TinyModels.Folder(
            TinyModels.BertJson,
            change: tensors =>
                tensors.Select(entry => (entry.Key, entry.Value)).Append(("embeddings.position_ids", arange(16)))
        );
        using var log = new CapturedLog();
        using var model = BertModel.Load(folder.Path);

        Assert.That(string.Join('\n', log.Information), Does.Contain("'embeddings.position_ids'"));
    }

    [Test]
    public void Another_architecture_than_the_class_s_is_refused()
    {
        using var folder = TinyModels.Folder(TinyModels.BertJson);

        var error = Assert.Throws<NotSupportedException>(() => LlamaForCausalLM.Load(folder.Path));
        Assert.That(error!.Message, Does.Contain("holds a BertModel, not a LlamaForCausalLM"));
    }

    [TestCase("SCB", "int8", "'SCB': it is F32 [31]; it must be F32 of 32 elements")]
    [TestCase("weight.quant_state.bitsandbytes__nf4", "nf4", "it has the fields [shape]; a state of this version has")]
    public void Malformed_quantized_layers_are_refused_before_anything_is_loaded(
        string key,
        string format,
        string fault
    )
    {
        const string layer = "model.layers.1.self_attn.q_proj";
        using var folder = TinyModels.Folder(
            TinyModels.LlamaJson,
            change: tensors =>
            {
                tensors[$"{layer}.weight"] = format == "int8" ? zeros(32, 24, int8) : zeros(32 * 12, 1, uint8);
                tensors[$"{layer}.{key}"] =
                    format == "int8" ? zeros(31) : tensor("""{"shape": [32, 24]}"""u8.ToArray());
                return tensors.Select(entry => (entry.Key, entry.Value));
            }
        );

        TensorCount.AssertChangedBy(
            Parameters(TinyModels.LlamaJson),
            () =>
            {
                var error = Assert.Throws<SafetensorsFormatException>(() => LlamaForCausalLM.Load(folder.Path));
                Assert.That(error!.Message.Replace($"{layer}.", "", StringComparison.Ordinal), Does.Contain(fault));
            }
        );
    }

    [Test]
    [Platform("Linux")]
    public void Loading_takes_the_memory_of_the_weights_and_no_more([Values] bool converted)
    {
        const long megabyte = 1 << 20;
        using var directory = new TemporaryDirectory();
        TinyModels.WriteConfig(
            directory,
            """
            {"architectures": ["LlamaForCausalLM"], "vocab_size": 16384, "hidden_size": 1024, "intermediate_size": 4096,
             "num_hidden_layers": 2, "num_attention_heads": 8}
            """
        );
        var config = (LlamaConfig)ModelConfig.Load(directory.Path);
        WriteZeros(directory.File("model.safetensors"), config, converted ? "F32" : "BF16");
        using var warm = TinyModels.Folder(TinyModels.LlamaJson);
        LlamaForCausalLM.Load(warm.Path, bfloat16).Dispose();
        var before = ProcessMemory.AnonymousBytes();

        using var model = LlamaForCausalLM.Load(directory.Path, bfloat16);

        var weights = model.parameters().Sum(parameter => parameter.numel() * 2);
        Assert.That(weights, Is.GreaterThan(100 * megabyte));
        // malloc keeps some of what was freed, the more the more was allocated before
        Assert.That(ProcessMemory.AnonymousBytes() - before, Is.LessThan(weights + (32 * megabyte)));
    }

    [Test]
    [Platform("Linux")]
    public void Quantizing_while_loading_takes_the_memory_of_the_codes_and_of_one_layer(
        [Values("nf4-dq", "int8")] string mode
    )
    {
        const long gigabyte = 1 << 30;
        using var directory = new TemporaryDirectory();
        TinyModels.WriteConfig(
            directory,
            """
            {"architectures": ["LlamaForCausalLM"], "vocab_size": 256, "hidden_size": 2048, "intermediate_size": 8192,
             "num_hidden_layers": 8, "num_attention_heads": 16}
            """
        );
        WriteZeros(directory.File("model.safetensors"), (LlamaConfig)ModelConfig.Load(directory.Path), "BF16");
        Assert.That(new FileInfo(directory.File("model.safetensors")).Length, Is.GreaterThan(gigabyte));
        var precision = new BitsandbytesPrecision(mode, ignoreModules: ["lm_head"]);
        using var warm = TinyModels.Folder(TinyModels.LlamaJson);
        LlamaForCausalLM.Load(warm.Path, bfloat16, precision: precision).Dispose();
        using var peak = new PeakMemory();

        using var model = LlamaForCausalLM.Load(directory.Path, bfloat16, precision: precision);

        var largest = 2048L * 8192 * sizeof(ushort);
        var quantized = ModelWeights.Of(model).Sum(entry => entry.Tensor.numel() * entry.Tensor.element_size());
        Assert.That(quantized, Is.LessThan(0.6 * gigabyte));
        Assert.That(peak.Growth(), Is.LessThan((1.15 * quantized) + largest));
    }

    // TorchSharp goes on counting the tensor that a Parameter was made of and whose memory it took over (also in its
    // own layers): one for each parameter, whatever is disposed.
    private static int Parameters(string json)
    {
        using nn.Module model =
            json == TinyModels.LlamaJson
                ? new LlamaForCausalLM(TinyModels.Config<LlamaConfig>(json))
                : new BertModel(TinyModels.Config<BertConfig>(json));
        return model.parameters().Count();
    }

    // As a hole in the file: zeros, but as many bytes to read.
    private static void WriteZeros(string path, LlamaConfig config, string dtype)
    {
        var size = dtype == "F32" ? 4 : 2;
        var entries = new List<string>();
        long end = 0;
        using (new NBit.Tensors.InitContext(META, () => NewDisposeScope(), emptyInit: true))
        {
            using var model = new LlamaForCausalLM(config);
            foreach (var (name, parameter) in model.named_parameters())
            {
                var begin = end;
                end += parameter.numel() * size;
                entries.Add(SafetensorsBytes.Entry(name, dtype, string.Join(',', parameter.shape), begin, end));
            }
        }

        File.WriteAllBytes(path, SafetensorsBytes.File([.. entries]));
        using var file = new FileStream(path, FileMode.Open);
        file.SetLength(file.Length + end);
    }
}
