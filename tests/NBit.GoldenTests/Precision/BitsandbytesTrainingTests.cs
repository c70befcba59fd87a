using System.Globalization;
using System.Text.Json;
using NBit.GoldenTests.Golden;
using NBit.Quantization;
using NBit.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>precision/bnb.json: training steps of quantized models with LoRA adapters; losses and what was
/// trained.</summary>
public sealed class BitsandbytesTrainingTests
{
    private const string File = BitsandbytesRecording.File;
    private const string Answers = "precision/nbit_bnb_training.safetensors";
    private static readonly JsonElement Recorded = BitsandbytesRecording.Json;

    private static IEnumerable<TestCaseData> Runs() =>
        Recorded
            .Properties("training")
            .Select(run => new TestCaseData(run.Name, run.Value).SetName($"bitsandbytes training {run.Name}"));

    // "mlp/nf4/bfloat16/adamw"
    [TestCaseSource(nameof(Runs))]
    public void A_run_is_reproduced(string name, JsonElement expected)
    {
        using var scope = NewDisposeScope();
        var parts = name.Split('/');
        using var model = BitsandbytesRecording.LoadModel(parts[0]);
        AttachAdapters(model, parts[0]);
        using var fabric = BitsandbytesForward.MakeFabric(parts[1], parts[2]);
        var net = fabric.Setup(model);
        var trained = RecordedNames(model).Where(entry => entry.Parameter.requires_grad).ToList();
        using var inner = MakeOptimizer(parts[3], trained.Select(entry => entry.Parameter));
        if (GoldenRules.ForJson(File, $"training/{name}")?.Kind == "refused")
        {
            Assert.That(
                () => fabric.Setup(inner),
                Throws
                    .TypeOf<NotSupportedException>()
                    .With.Message.Contains("0 in float16")
                    .And.Message.Contains("Use an eps")
            );
            return;
        }

        var losses = Train(fabric, net, fabric.Setup(inner), parts[0]);

        AssertLosses(name, expected, losses);
        var finals = GoldenTensors
            .Of(Answers)
            .Names.Where(tensor => tensor.StartsWith($"nbit.{Dotted(name)}.", StringComparison.Ordinal))
            .Where(tensor => !tensor.EndsWith(".losses", StringComparison.Ordinal))
            .ToList();
        var names = expected.Items("trainable").Select(entry => entry.GetString()!).ToList();
        if (names.Count == 0)
        {
            // An error of the peer, which NBit does not have (DESIGN 8.4): NBit's own answer lists what is trained.
            names = [.. finals.Select(tensor => tensor[$"nbit.{Dotted(name)}.".Length..])];
        }

        Assert.That(trained.Select(entry => entry.Name), Is.EquivalentTo(names));
        if (expected.Get("parameter_dtypes_after") is { } dtypes)
        {
            Assert.That(
                RecordedNames(model).Select(entry => $"{entry.Name} {entry.Parameter.dtype.Name()}"),
                Is.EquivalentTo(dtypes.EnumerateObject().Select(entry => $"{entry.Name} {entry.Value}"))
            );
        }

        foreach (var tensor in finals)
        {
            var parameter = trained.Single(entry => tensor == $"nbit.{Dotted(name)}.{entry.Name}").Parameter;
            GoldenAnswer.Of(Answers, tensor, BitsandbytesRecording.Readme).Check(parameter);
        }

        Lora.Remove(model);
        Assert.That(model.named_parameters().Select(entry => entry.name), Has.None.Contains("lora"));
    }

    private static IEnumerable<TestCaseData> Finals() =>
        GoldenTensors.Of("precision/bnb_training_final.safetensors").Names.Select(name => new TestCaseData(name));

    [TestCaseSource(nameof(Finals))]
    public void A_recorded_final_parameter_has_an_answer_that_a_run_is_compared_with(string name)
    {
        var answer = GoldenAnswer.Of("precision/bnb_training_final.safetensors", name, BitsandbytesRecording.Readme);
        Assert.That(answer.File, Is.EqualTo(Answers));
        Assert.That(
            Recorded
                .Properties("training")
                .Any(run => answer.Tensor.StartsWith($"nbit.{Dotted(run.Name)}.", StringComparison.Ordinal)),
            Is.True
        );
    }

    private static void AssertLosses(string name, JsonElement expected, List<double> losses)
    {
        var key = expected.Text("error") is null ? "losses" : "error";
        var answer = GoldenAnswer.OfJson(File, $"training/{name}/{key}");
        Assert.That(answer, Is.Not.Null, "nbit-rules.json names NBit's own losses of each run");
        answer!.Check(tensor(losses.ToArray()));
    }

    private static List<double> Train(
        Fabric fabric,
        FabricModule<Tensor, Tensor> net,
        FabricOptimizer optimizer,
        string kind
    )
    {
        var (inputs, targets) = (
            BitsandbytesRecording.Data.Read($"{kind}.x"),
            BitsandbytesRecording.Data.Read($"{kind}.y")
        );
        var losses = new List<double>();
        for (var step = 0; step < (int)inputs.shape[0]; step++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            var loss = nn.functional.cross_entropy(net.forward(inputs[step]), targets[step]);
            fabric.Backward(loss);
            optimizer.step();
            losses.Add(loss.item<float>());
        }

        return losses;
    }

    private static void AttachAdapters(nn.Module model, string kind)
    {
        var prefix = $"{kind}.lora.";
        var data = BitsandbytesRecording.Data;
        var layers = data
            .Names.Where(name => name.StartsWith(prefix, StringComparison.Ordinal))
            .Where(name => name.EndsWith(".A", StringComparison.Ordinal))
            .Select(name => name[prefix.Length..^2])
            .ToList();
        var attached = Lora.Attach(
            model,
            (int)data.Shape($"{prefix}{layers[0]}.A")[0],
            Recorded.Get("lora")!.Value.Number("alpha")!.Value,
            targets: layers,
            freezeOthers: false
        );
        Assert.That(attached, Is.EquivalentTo(layers));
        using var grad = no_grad();
        foreach (var (name, parameter) in RecordedNames(model).Where(entry => data.Has($"{prefix}{entry.Name}")))
        {
            parameter.copy_(data.Read($"{prefix}{name}"));
        }
    }

    // The recorded adapter is a module around the layer: "fc1.A", "fc1.base.weight". NBit's are inside of it.
    private static IEnumerable<(string Name, Parameter Parameter)> RecordedNames(nn.Module model)
    {
        var all = model.named_parameters().ToList();
        var adapted = all.Where(entry => entry.name.EndsWith(".lora_A.weight", StringComparison.Ordinal))
            .Select(entry => entry.name[..^".lora_A.weight".Length])
            .ToHashSet(StringComparer.Ordinal);
        return all.Select(entry =>
        {
            var (layer, field) = entry.name.LastIndexOf('.') is var dot and >= 0
                ? (entry.name[..dot], entry.name[(dot + 1)..])
                : ("", entry.name);
            return (
                adapted.Contains(layer)
                    ? $"{layer}.base.{field}"
                    : entry
                        .name.Replace(".lora_A.weight", ".A", StringComparison.Ordinal)
                        .Replace(".lora_B.weight", ".B", StringComparison.Ordinal),
                entry.parameter
            );
        });
    }

    // "lr 0.01 betas (0.9, 0.999) eps 1e-8 weight_decay 0"; what the text does not say is PyTorch's default.
    private static optim.Optimizer MakeOptimizer(string name, IEnumerable<Parameter> parameters)
    {
        var text = Recorded.Get("lora")!.Value.Get("optimizer")!.Value.Text(name)!;
        double Number(string key) =>
            double.Parse(text.Split($"{key} ")[1].Split(' ')[0].Trim('(', ',', ')'), CultureInfo.InvariantCulture);
        return name switch
        {
            "sgd" => optim.SGD(parameters, Number("lr")),
            "adamw" => optim.AdamW(
                parameters,
                Number("lr"),
                Number("betas"),
                double.Parse(text.Split("(")[1].Split(", ")[1].Split(')')[0], CultureInfo.InvariantCulture),
                Number("eps"),
                Number("weight_decay")
            ),
            _ => throw new ArgumentException($"{File} has an optimizer '{name}' that this test does not know"),
        };
    }

    private static string Dotted(string run) => run.Replace('/', '.');
}
