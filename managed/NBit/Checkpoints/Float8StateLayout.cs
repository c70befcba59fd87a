using NBit.TransformerEngine;
using static TorchSharp.torch;

namespace NBit.Checkpoints;

/// <summary>
/// The scales and amax histories of delayed scaling as tensors of a file: <c>MODULE.fp8.version</c>,
/// <c>scale_forward</c> [3 for each product of the module], <c>amax_history_forward</c> [length, 3 for each],
/// <c>scale_backward</c> and <c>amax_history_backward</c> with 2 for each. (Transformer Engine pickles them, and refuses to
/// read that back.)
/// </summary>
/// <remarks>A module without them is not calibrated; a file without them leaves modules so.</remarks>
internal sealed class Float8StateLayout
{
    private const long Version = 1;
    private const string Prefix = "fp8.";
    private const string VersionName = "version";
    private static readonly (string Name, int Slots)[] Directions =
    [
        ("forward", Float8State.ForwardSlots),
        ("backward", Float8State.BackwardSlots),
    ];

    private readonly TensorSource _source;
    private readonly List<(string? Entry, Float8State State)> _states = [];
    private readonly List<string> _faults = [];

    private Float8StateLayout(TensorSource source) => _source = source;

    /// <summary>What does not fit.</summary>
    public IReadOnlyList<string> Faults => _faults;

    /// <summary>Whether a tensor is part of a module's scales.</summary>
    public static bool Holds(string name) =>
        Names().Any(own => name == own || name.EndsWith('.' + own, StringComparison.Ordinal));

    /// <summary>The scales of a model.</summary>
    /// <returns>Names and tensors; new ones are in the caller's dispose scope.</returns>
    public static IEnumerable<(string Name, Tensor Tensor)> Of(nn.Module model)
    {
        foreach (var (module, state) in Float8States.In(model))
        {
            if (state is not { Forward: { } forward, Backward: { } backward })
            {
                continue;
            }

            var prefix = PrefixOf(module);
            yield return (prefix + VersionName, tensor([Version]));
            foreach (var (direction, scales) in new[] { ("forward", forward), ("backward", backward) })
            {
                yield return ($"{prefix}scale_{direction}", scales.Scale);
                yield return ($"{prefix}amax_history_{direction}", scales.AmaxHistory);
            }
        }
    }

    /// <summary>Pairs the scales in a file with the modules of a model.</summary>
    /// <param name="source">The file.</param>
    /// <param name="model">The model.</param>
    /// <param name="prefix">What the names in the file begin with.</param>
    public static Float8StateLayout Match(TensorSource source, nn.Module model, string prefix)
    {
        var layout = new Float8StateLayout(source);
        foreach (var (module, state) in Float8States.In(model))
        {
            layout.Add(prefix + PrefixOf(module), module, state);
        }

        return layout;
    }

    /// <summary>Loads what was matched.</summary>
    public void Load()
    {
        using var scope = NewDisposeScope();
        foreach (var (entry, state) in _states)
        {
            state.Reset();
            if (entry is not null)
            {
                state.Load(Read("forward"), Read("backward"));
            }

            (Tensor, Tensor) Read(string direction) =>
                (_source.Read($"{entry}scale_{direction}"), _source.Read($"{entry}amax_history_{direction}"));
        }
    }

    private static string PrefixOf(string module) => module.Length == 0 ? Prefix : $"{module}.{Prefix}";

    private static IEnumerable<string> Names() =>
        Directions
            .SelectMany(direction => new[] { $"scale_{direction.Name}", $"amax_history_{direction.Name}" })
            .Append(VersionName)
            .Select(name => Prefix + name);

    private void Add(string entry, string module, Float8State state)
    {
        var present = Names().Count(name => _source.TryGetEntry(entry + name[Prefix.Length..], out _));
        if (present == 0)
        {
            _states.Add((null, state));
            return;
        }

        var faults = _faults.Count;
        if (!_source.TryGetEntry(entry + VersionName, out _) || Fault(VersionName, [1]) is not null)
        {
            _faults.Add($"{module} has scales without a version");
        }
        else if (ReadVersion(entry) is var version && version != Version)
        {
            _faults.Add($"{module} has scales of version {version}; this version of NBit reads {Version}");
        }

        foreach (var (direction, slots) in Directions)
        {
            long[] shape = [state.Products * slots];
            _faults.AddRange(
                new[]
                {
                    Fault($"scale_{direction}", shape),
                    Fault($"amax_history_{direction}", [-1, .. shape]),
                }.OfType<string>()
            );
        }

        if (_faults.Count == faults)
        {
            _states.Add((entry, state));
        }

        string? Fault(string name, long[] shape)
        {
            if (!_source.TryGetEntry(entry + name, out var found))
            {
                return $"{module}.{Prefix}{name} is missing";
            }

            var type = name == VersionName ? SafetensorsDataType.Int64 : SafetensorsDataType.Float32;
            var fits =
                found.DataType == type
                && found.Shape.Length == shape.Length
                && found.Shape.Zip(shape).All(pair => pair.Second < 0 ? pair.First >= 1 : pair.First == pair.Second);
            return fits
                ? null
                : $"{module}.{Prefix}{name} is {found}; the model has {type.Code()} "
                    + $"[{string.Join(", ", shape.Select(size => size < 0 ? "steps" : $"{size}"))}]";
        }
    }

    private long ReadVersion(string entry)
    {
        using var version = _source.Read(entry + VersionName);
        return version.item<long>();
    }
}
