using TorchSharp.Modules;

namespace NBit.Optimizers;

/// <summary>
/// Parameters with options of their own: what an optimizer of NBit's is made of, and what its add_param_group takes.
/// </summary>
public sealed class OptimizerGroup : ParamGroup
{
    /// <summary>Creates a group of parameters whose states have their names in files.</summary>
    /// <param name="parameters">Names and parameters, as <c>named_parameters()</c> gives them.</param>
    /// <param name="settings">The group's options; what is null or missing is the optimizer's.</param>
    public OptimizerGroup(
        IEnumerable<(string name, Parameter parameter)> parameters,
        OptimizerSettings? settings = null
    )
        : this([.. parameters.Select(entry => ((string?)entry.name, entry.parameter))], settings) { }

    /// <summary>Creates a group of parameters whose states are known by their place.</summary>
    /// <param name="parameters">The parameters.</param>
    /// <param name="settings">The group's options; what is null or missing is the optimizer's.</param>
    public OptimizerGroup(IEnumerable<Parameter> parameters, OptimizerSettings? settings = null)
        : this([.. parameters.Select(parameter => ((string?)null, parameter))], settings) { }

    private OptimizerGroup(List<(string? Name, Parameter Parameter)> parameters, OptimizerSettings? settings)
    {
        Named = parameters;
        Parameters = parameters.ConvertAll(entry => entry.Parameter);
        Settings = settings ?? new();
    }

    /// <summary>The group's options.</summary>
    public OptimizerSettings Settings { get; }

    internal IReadOnlyList<(string? Name, Parameter Parameter)> Named { get; }
}
