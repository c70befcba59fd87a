using NBit.Checkpoints;
using NBit.Models;
using NBit.Precision;
using NBit.Tests.Models;
using NBit.Training;
using NBit.Training.Callbacks;
using NBit.TransformerEngine;
using static NBit.Tests.Examples.PrecisionModesExamples;
using static NBit.Tests.Examples.ReadmeExamples;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Tests.Examples;

/// <summary>The code of docs/checkpoints.md.</summary>
public sealed class CheckpointsExamples : ExampleFixture
{
    [Test]
    public void A_trainer_writes_all_that_a_run_needs()
    {
        var (batches, validationBatches) = (Batches, ValidationBatches);
        var classifier = new Classifier();
        {
            // docs/checkpoints: ModelCheckpoint
            using var trainer = new Trainer(
                precision: "bf16-mixed",
                maxEpochs: 2,
                defaultRootDir: "run",
                callbacks: [new ModelCheckpoint(monitor: "val_loss", saveTopK: 2, everyNEpochs: 1)]
            );
            trainer.Fit(classifier, batches, validationBatches);
            // end
        }
        Assert.That(Directory.EnumerateFiles("run/checkpoints").Count(), Is.EqualTo(3));
        {
            // docs/checkpoints: contents
            using var checkpoint = SafetensorsReader.Open("run/checkpoints/last.safetensors");
            foreach (var entry in checkpoint.Entries)
            {
                Console.WriteLine(entry); // state_dict/_hidden.weight, optimizer_states/0, random/cpu, ...
            }

            Console.WriteLine(checkpoint.Metadata["nbit.training"]); // epoch, step, schedulers, callbacks as JSON
            // end
            Assert.That(
                checkpoint.Names,
                Is.SupersetOf(new[] { "state_dict/_hidden.weight", "optimizer_states/0", "random/cpu" })
            );
        }
    }

    [Test]
    public void A_run_goes_on_where_it_ended()
    {
        var batches = Batches;
        var classifier = new Classifier();
        using (var first = new Trainer(precision: "bf16-mixed", maxEpochs: 1, defaultRootDir: "run"))
        {
            first.Fit(classifier, batches, resumeFrom: "last");
        }

        // docs/checkpoints: resume
        using var trainer = new Trainer(precision: "bf16-mixed", maxEpochs: 4, defaultRootDir: "run");
        trainer.Fit(classifier, batches, resumeFrom: "last"); // from the beginning where nothing was saved yet
        // end
        Assert.That(trainer.GlobalStep, Is.EqualTo(4 * batches.Count));
    }

    [Test]
    public void Predictions_take_the_weights_of_a_checkpoint()
    {
        var batches = Batches;
        var classifier = new Predictor();
        using var trainer = new Trainer(precision: "bf16-true");
        Directory.CreateDirectory("run/checkpoints");
        ModelFile.Save(new Predictor(), "run/checkpoints/last.safetensors");
        var before = classifier.parameters().First().detach().clone();

        // docs/checkpoints: predict
        var predictions = trainer.Predict(classifier, batches, checkpoint: "run/checkpoints/last.safetensors");
        // end
        Assert.That(predictions, Has.Count.EqualTo(batches.Count));
        Assert.That(classifier.parameters().First().to(ScalarType.Float32).allclose(before), Is.False);
    }

    [Test]
    public void Weights_alone()
    {
        var (model, other) = (nn.Linear(64, 10), nn.Linear(64, 10));

        // docs/checkpoints: weights
        ModelFile.Save(model, "model.safetensors");
        ModelFile.Load(other, "model.safetensors"); // a file, an index of shards, or a folder
        // end
        Assert.That(other.weight!.equal(model.weight!).all().item<bool>(), Is.True);
    }

    [Test]
    public void Tensors_of_any_kind()
    {
        // docs/checkpoints: writer
        SafetensorsWriter.Save(
            "tensors.safetensors",
            [("weight", randn(4, 3)), ("bias", zeros(4, dtype: ScalarType.BFloat16))],
            metadata: new Dictionary<string, string>(StringComparer.Ordinal) { ["made by"] = "a test" }
        );
        // end
        using var reader = SafetensorsReader.Open("tensors.safetensors");
        Assert.That(reader.Metadata["made by"], Is.EqualTo("a test"));
        Assert.That(reader.GetEntry("bias").DataType, Is.EqualTo(SafetensorsDataType.BFloat16));
    }

    [Test]
    public void Shards_are_read_lazily_and_mapped()
    {
        using var expected = randn(4, 3);
        using Tensor target = zeros(4, 3),
            half = zeros(4, 3, dtype: ScalarType.Float16);
        Directory.CreateDirectory("folder");
        SafetensorsWriter.Save("folder/1.safetensors", [("weight", expected)]);
        SafetensorsWriter.Save("folder/2.safetensors", [("bias", zeros(4))]);
        File.WriteAllText(
            "folder/model.safetensors.index.json",
            """{"weight_map":{"weight":"1.safetensors","bias":"2.safetensors"}}"""
        );

        // docs/checkpoints: source
        using var source = TensorSource.Open("folder"); // two shards and their index
        Console.WriteLine(source.GetEntry("weight").Shape[0]);
        using var weight = source.Read("weight"); // a new tensor
        source.ReadInto("weight", target); // into memory that is there, of the same dtype
        source.ConvertInto("weight", half); // of any dtype and device, in pieces of 1 MB
        // end
        Assert.That(weight.equal(expected).all().item<bool>(), Is.True);
        Assert.That(target.equal(expected).all().item<bool>(), Is.True);
        Assert.That(half.equal(expected.to(ScalarType.Float16)).all().item<bool>(), Is.True);

        // docs/checkpoints: mapped
        using var mapped = source.Map("weight");
        var first = BitConverter.ToSingle(mapped.Slice(offset: 0, length: sizeof(float)));
        // end
        Assert.That(first, Is.EqualTo(expected[0, 0].item<float>()));
    }

    [Test]
    public void Quantized_layers_are_those_of_bitsandbytes()
    {
        var model = nn.Sequential(("layer", nn.Linear(64, 64)));
        ModelFile.Save(model, "model.safetensors");

        // docs/checkpoints: quantized
        new BitsandbytesPrecision("nf4").ConvertModule(model);
        ModelFile.Save(model, "nf4.safetensors");
        using var reader = SafetensorsReader.Open("nf4.safetensors");
        Console.WriteLine(string.Join(", ", reader.Names)); // layer.weight, layer.weight.absmax, ...
        // end
        Assert.That(
            reader.Names,
            Is.SupersetOf(new[] { "layer.weight", "layer.weight.absmax", "layer.weight.quant_map" })
        );
    }

    [Test]
    public void Files_are_quantized_without_a_model()
    {
        ModelFile.Save(nn.Sequential(("layer", nn.Linear(64, 64))), "model.safetensors");

        // docs/checkpoints: quantizer
        var quantizer = new CheckpointQuantizer(new BitsandbytesPrecision("int8"));
        foreach (var layer in quantizer.Quantize("model.safetensors", "int8.safetensors"))
        {
            Console.WriteLine(
                $"{layer.Layer}: {layer.BytesBefore} -> {layer.BytesAfter}, error {layer.RelativeError:P2}"
            );
        }
        // end
        using var reader = SafetensorsReader.Open("int8.safetensors");
        Assert.That(reader.GetEntry("layer.weight").DataType, Is.EqualTo(SafetensorsDataType.Int8));
    }

    [Test]
    public void Scales_of_float8_are_beside_the_weights()
    {
        var x = Batches[0].X;

        // docs/checkpoints: float8
        var model = nn.Sequential(("layer", new TE.Linear(64, 128)));
        using (Float8.Autocast(new DelayedScaling()))
        {
            using var y = model.forward(x);
        }

        ModelFile.Save(model, "float8.safetensors");
        using var reader = SafetensorsReader.Open("float8.safetensors");
        var scale = reader.Read("layer.fp8.scale_forward"); // of the input, the weight and the output
        // end
        Assert.That(scale.shape, Is.EqualTo(new long[] { 3 }));
        Assert.That(scale[0].item<float>(), Is.GreaterThan(1));
    }

    [Test]
    public void A_folder_of_Hugging_Face()
    {
        using var made = TinyModels.Folder(TinyModels.LlamaJson);
        Directory.CreateSymbolicLink("llama", made.Path);

        // docs/checkpoints: llama
        using var llama = LlamaForCausalLM.Load("llama", precision: new BitsandbytesPrecision("nf4-dq"));
        foreach (var token in llama.Generate(prompt: [1, 15, 3], maxNewTokens: 4))
        {
            Console.WriteLine(token);
        }
        // end
        Assert.That(llama.parameters().Select(parameter => parameter.dtype), Does.Contain(ScalarType.Byte));
    }
}
