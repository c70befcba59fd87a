using NBit.Checkpoints;
using static TorchSharp.torch;

namespace NBit.Optimizers;

/// <summary>A saved state, beside the optimizer that it is for.</summary>
internal sealed class StateReader
{
    private readonly OptimizerRule _rule;
    private readonly IReadOnlyList<ParameterGroup> _groups;
    private readonly TensorSource _source;
    private readonly string _prefix;
    private readonly SavedNumbers? _saved;
    private readonly List<string> _faults = [];

    public StateReader(OptimizerRule rule, IReadOnlyList<ParameterGroup> groups, TensorSource source, string prefix)
    {
        (_rule, _groups, _source, _prefix) = (rule, groups, source, prefix);
        try
        {
            _saved = SavedNumbers.Read(source, prefix);
            Compare(_saved);
        }
        catch (FormatException error)
        {
            _faults.Add(error.Message);
        }
    }

    /// <summary>What does not fit.</summary>
    public IReadOnlyList<string> Faults => _faults;

    /// <summary>Gives the optimizer the state, if there are no faults. Nothing is changed before all is read.</summary>
    public void Load()
    {
        var states = _groups.SelectMany(group => group.States).ToList();
        var read = new List<StateTensors?>(states.Count);
        var parameters = _saved!.ParamGroups.SelectMany(group => group.Parameters).ToList();
        try
        {
            read.AddRange(states.Select(Read));
        }
        catch
        {
            read.ForEach(tensors => tensors?.Dispose());
            throw;
        }

        foreach (var ((state, tensors), saved) in states.Zip(read).Zip(parameters))
        {
            state.Set(saved.Step, tensors);
        }

        foreach (var (group, saved) in _groups.Zip(_saved.ParamGroups))
        {
            group.Settings = saved.Settings;
            group.InitialLearningRate = saved.InitialLearningRate;
        }
    }

    private void Compare(SavedNumbers saved)
    {
        if (saved.Optimizer != _rule.Optimizer)
        {
            _faults.Add($"it is the state of {saved.Optimizer}, and not of {_rule.Optimizer}");
            return;
        }

        var there = saved.ParamGroups.Select(group => Names(group.Parameters.Select(parameter => parameter.Name)));
        var here = _groups.Select(group => Names(group.States.Select(state => state.Name)));
        if (!there.SequenceEqual(here, StringComparer.Ordinal))
        {
            _faults.Add(
                $"it is of the parameter groups {string.Concat(there)}, and not of {string.Concat(here)}: give the same parameters, by the same names, in the same order"
            );
            return;
        }

        foreach (var (group, other) in saved.ParamGroups.Zip(_groups))
        {
            CompareSettings(group);
            foreach (var (parameter, state) in group.Parameters.Zip(other.States))
            {
                CompareTensors(state, parameter.Step);
            }
        }
    }

    private void CompareSettings(SavedNumbers.Group group)
    {
        try
        {
            _rule.Complete(group.Settings, _rule.Defaults);
        }
        catch (ArgumentException error)
        {
            _faults.Add(error.Message);
        }

        var missing = _rule
            .Defaults.Given()
            .Except(group.Settings.Given(), StringComparer.Ordinal)
            .FirstOrDefault(name => name != nameof(OptimizerSettings.RoundingSeed)); // the only one that may be null
        if (missing is not null)
        {
            _faults.Add($"a group has no {missing}");
        }
    }

    private void CompareTensors(ParameterState state, long step)
    {
        if (step < 0)
        {
            _faults.Add($"{state.Name} was stepped {step} times");
        }

        if (!_source.TryGetEntry(NameOf(state, StateTensors.Names[0]), out _))
        {
            if (step != 0)
            {
                _faults.Add($"{state.Name} was stepped {step} times and has no state");
            }

            return;
        }

        foreach (var (name, expected) in StateTensors.Names.Zip(LayoutOf(state)))
        {
            if (expected is not { } tensor)
            {
                continue;
            }

            var full = NameOf(state, name);
            if (!_source.TryGetEntry(full, out var entry))
            {
                _faults.Add($"it lacks {full}");
            }
            else if (entry.DataType.ToScalarType() != tensor.Type || !entry.Shape.SequenceEqual(tensor.Shape))
            {
                _faults.Add($"{full} is {entry}; it must be {tensor.Type} [{string.Join(", ", tensor.Shape)}]");
            }
        }
    }

    private StateTensors? Read(ParameterState state) =>
        _source.TryGetEntry(NameOf(state, StateTensors.Names[0]), out _)
            ? StateTensors.Make(
                LayoutOf(state),
                (name, _, _) => _source.Read(NameOf(state, name)).to(state.Parameter.device)
            )
            : null;

    // A parameter's bits are those that were saved.
    private (ScalarType Type, long[] Shape)?[] LayoutOf(ParameterState state) =>
        StateTensors.Layout(
            _rule,
            state.Parameter.shape,
            isQuantized: _source.GetEntry(NameOf(state, StateTensors.Names[0])).DataType == SafetensorsDataType.UInt8
        );

    private string NameOf(ParameterState state, string tensor) => $"{_prefix}{state.Name}.{tensor}";

    private static string Names(IEnumerable<string> names) => $"[{string.Join(", ", names)}]";
}
