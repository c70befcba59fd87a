using System.Text.Json;
using NBit.Checkpoints;
using static TorchSharp.torch;

namespace NBit.Optimizers;

/// <summary>What of an optimizer's state is no tensor of a parameter, as JSON.</summary>
/// <param name="Optimizer">The class.</param>
/// <param name="ParamGroups">The groups.</param>
internal sealed record SavedNumbers(string Optimizer, IReadOnlyList<SavedNumbers.Group> ParamGroups)
{
    /// <summary>The name of the tensor that holds it, after a prefix.</summary>
    public const string Entry = "param_groups";

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        IncludeFields = true, // of the pair of betas
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    public Tensor Pack() => tensor(JsonSerializer.SerializeToUtf8Bytes(this, Json));

    /// <exception cref="FormatException">There is none, or none of this form.</exception>
    public static SavedNumbers Read(TensorSource source, string prefix)
    {
        var name = prefix + Entry;
        if (!source.TryGetEntry(name, out var entry) || entry.DataType != SafetensorsDataType.UInt8)
        {
            throw new FormatException($"there is no tensor '{name}' of bytes, which every state has");
        }

        try
        {
            return
                JsonSerializer.Deserialize<SavedNumbers>(source.ReadBytes(name), Json) is { } saved
                && saved.ParamGroups.All(group => group?.Parameters.All(parameter => parameter is not null) ?? false)
                ? saved
                : throw new FormatException($"'{name}' is null, or a group in it or a parameter is null");
        }
        catch (JsonException error)
        {
            throw new FormatException($"'{name}' holds no numbers of an optimizer: {error.Message}", error);
        }
    }

    /// <summary>A parameter group.</summary>
    /// <param name="InitialLearningRate">What schedulers begin with.</param>
    /// <param name="Settings">All options, the learning rate as it is now.</param>
    /// <param name="Parameters">The parameters, in their order.</param>
    internal sealed record Group(
        double InitialLearningRate,
        OptimizerSettings Settings,
        IReadOnlyList<SavedParameter> Parameters
    );

    /// <summary>A parameter: its name, and how often it was stepped.</summary>
    internal sealed record SavedParameter(string Name, long Step);
}
