using System.Runtime.CompilerServices;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Optimizers;

/// <summary>
/// Gives parameters options of their own in whatever optimizer of NBit's they are, by parameter, by module, or by a
/// question that is asked of each module.
/// </summary>
/// <remarks>
/// Bits of states are read when a parameter first steps, all else in every step: a learning rate that is given here is
/// not moved by schedulers. Options that an optimizer has no use for are refused by its next step. Parameters are held
/// weakly; overrides belong to the parameter object, so that they are to be given after a conversion that makes other ones
/// (<c>Module.to(dtype)</c> does). Thread-safe.
/// </remarks>
public static class GlobalOptimManager
{
    private static readonly ConditionalWeakTable<Parameter, OptimizerSettings> Overrides = [];

    /// <summary>Overrides options of a parameter; what was overridden before and is null here stays.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="settings">The options.</param>
    public static void Override(Parameter parameter, OptimizerSettings settings)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        ArgumentNullException.ThrowIfNull(settings);
        lock (Overrides)
        {
            Overrides.AddOrUpdate(
                parameter,
                Overrides.TryGetValue(parameter, out var before) ? settings.Over(before) : settings
            );
        }
    }

    /// <summary>Overrides options of all parameters in a module and in those inside it.</summary>
    /// <param name="module">The module.</param>
    /// <param name="settings">The options.</param>
    public static void Override(nn.Module module, OptimizerSettings settings)
    {
        ArgumentNullException.ThrowIfNull(module);
        foreach (var parameter in module.parameters())
        {
            Override(parameter, settings);
        }
    }

    /// <summary>Overrides options of all parameters in those modules of a model for which a question is
    /// answered by true.</summary>
    /// <param name="model">The model; it is asked itself, too.</param>
    /// <param name="matches">The question, such as <c>module => module is Embedding</c>.</param>
    /// <param name="settings">The options.</param>
    /// <returns>How many modules matched.</returns>
    public static int Override(nn.Module model, Func<nn.Module, bool> matches, OptimizerSettings settings)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(matches);
        var chosen = model.modules().Prepend(model).Distinct().Where(matches).ToList();
        chosen.ForEach(module => Override(module, settings));
        return chosen.Count;
    }

    /// <summary>Takes all overrides of a parameter back. A state that it has keeps its bits.</summary>
    /// <param name="parameter">The parameter.</param>
    public static void Clear(Parameter parameter) => Overrides.Remove(parameter);

    internal static OptimizerSettings? Find(Parameter parameter) =>
        Overrides.TryGetValue(parameter, out var settings) ? settings : null;
}
