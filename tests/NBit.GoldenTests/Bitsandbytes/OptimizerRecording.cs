using System.Reflection;
using System.Text.Json;
using NBit.Checkpoints;
using NBit.GoldenTests.Golden;
using NBit.Optimizers;
using NBit.Testing;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Bitsandbytes;

/// <summary>What was recorded of optimizers: their inputs, and how each was made.</summary>
internal static class OptimizerRecording
{
    public const string InputFile = $"{BitsandbytesFiles.Folder}/optim_inputs.safetensors";

    /// <summary>The files whose metadata say how the optimizers were made; those of optim_extra are the same.</summary>
    private static readonly string[] Described =
    [
        $"{BitsandbytesFiles.Folder}/optim_8bit.safetensors",
        $"{BitsandbytesFiles.Folder}/optim_32bit.safetensors",
    ];

    private static readonly Dictionary<string, string> Arguments = new(StringComparer.Ordinal)
    {
        ["weight_decay"] = "weightDecay",
        ["max_unorm"] = "maxUnorm",
        ["t_alpha"] = "alphaSteps",
        ["t_beta3"] = "beta3Steps",
    };

    /// <summary>A parameter at the start.</summary>
    public static Parameter Parameter(string which, ScalarType dtype) =>
        new(GoldenTensors.Of(InputFile).Read($"{which}.param0").to(dtype));

    /// <summary>The gradients of all steps: [steps, elements].</summary>
    public static Tensor Gradients(string which, ScalarType dtype) =>
        GoldenTensors.Of(InputFile).Read($"{which}.grads").to(dtype);

    /// <summary>Makes an optimizer as the recorded one was made: only the arguments that were given then.</summary>
    public static NBitOptimizer Make(
        string name,
        IEnumerable<(string name, Parameter parameter)> parameters,
        OptimizerSettings? settings = null
    )
    {
        var description = Describe(name);
        var type = typeof(NBitOptimizer).Assembly.GetType(
            $"NBit.Optimizers.{ClassOf(description.Text("class")!)}",
            true
        )!;
        var constructor = type.GetConstructors().Single(candidate => TakesNames(candidate));
        var given = description
            .GetProperty("kwargs")
            .EnumerateObject()
            .ToDictionary(
                argument => Arguments.GetValueOrDefault(argument.Name, argument.Name),
                argument => argument.Value,
                StringComparer.Ordinal
            );
        var values = constructor
            .GetParameters()
            .Select(parameter =>
                parameter.Name == "parameters" ? parameters
                : parameter.Name == "settings" ? settings
                : given.Remove(parameter.Name!, out var value) ? Value(value, parameter.ParameterType)
                : parameter.DefaultValue
            )
            .ToArray();
        Assert.That(given, Is.Empty, $"arguments of {name} that {type.Name} lacks");
        return (NBitOptimizer)constructor.Invoke(values);
    }

    // The class whose bits are an argument has the plain name there.
    private static string ClassOf(string name) => name.EndsWith("bit", StringComparison.Ordinal) ? name : $"{name}NBit";

    /// <summary>What optimizers.json says beside what the metadata of a file say, for each optimizer in them.</summary>
    public static IEnumerable<(string Name, JsonElement Committed, JsonElement Recorded)> Descriptions()
    {
        foreach (var file in Described.Where(file => File.Exists(GoldenFolder.PathOf(file))))
        {
            using var reader = SafetensorsReader.Open(GoldenFolder.PathOf(file));
            foreach (var (name, text) in reader.Metadata.Where(entry => entry.Value.StartsWith('{')))
            {
                yield return (name, Committed.GetProperty(name), JsonDocument.Parse(text).RootElement);
            }
        }
    }

    // The committed subset has not those files, but recordings of optimizers that they describe.
    private static JsonElement Committed =>
        JsonDocument
            .Parse(
                File.ReadAllText(
                    Path.Combine(Repository.Root, "tests", "NBit.GoldenTests", "Bitsandbytes", "optimizers.json")
                )
            )
            .RootElement;

    private static JsonElement Describe(string name)
    {
        foreach (var file in Described.Where(file => File.Exists(GoldenFolder.PathOf(file))))
        {
            using var reader = SafetensorsReader.Open(GoldenFolder.PathOf(file));
            if (reader.Metadata.TryGetValue(name, out var text))
            {
                return JsonDocument.Parse(text).RootElement;
            }
        }

        return GoldenFolder.IsSubset && Committed.TryGetProperty(name, out var description)
            ? description
            : throw new InvalidDataException($"no metadata say how {name} was made");
    }

    private static bool TakesNames(ConstructorInfo constructor) =>
        constructor.GetParameters()[0].ParameterType == typeof(IEnumerable<(string, Parameter)>);

    private static object Value(JsonElement value, Type type)
    {
        if (value.ValueKind == JsonValueKind.Array)
        {
            var numbers = value.EnumerateArray().Select(number => number.GetDouble()).ToArray();
            return numbers.Length == 2 ? (numbers[0], numbers[1]) : (numbers[0], numbers[1], numbers[2]);
        }

        return type == typeof(long) ? (object)value.GetInt64() : value.GetDouble();
    }
}
