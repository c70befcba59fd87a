using System.Runtime.CompilerServices;
using NBit.Interop;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Optimizers;

/// <summary>
/// Gives parameters options of their own in whatever optimizer of NBit's they are, by parameter, by module, or by a
/// question that is asked of each module.
/// </summary>
/// <remarks>
/// Bits of states are read when a parameter first steps, all else in every step: a learning rate that is given here is
/// not moved by schedulers. Options that an optimizer has no use for are refused by its next step. Overrides belong to
/// the tensor: they are to be given after a conversion that makes other ones (<c>Module.to(dtype)</c> does). A tensor
/// is held until an optimizer has seen what was given for it, and no longer. Thread-safe.
/// </remarks>
public static class GlobalOptimManager
{
    private static readonly Lock Access = new();

    // By the object that an optimizer has
    private static readonly ConditionalWeakTable<Parameter, OptimizerSettings> Seen = [];

    // What no optimizer has seen yet, by the tensor's identity: properties such as Embedding.weight give other objects
    // than parameters() does.
    private static readonly Dictionary<nint, Change> Waiting = [];

    /// <summary>Overrides options of a parameter; what was overridden before and is null here stays.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="settings">The options.</param>
    public static void Override(Parameter parameter, OptimizerSettings settings)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        ArgumentNullException.ThrowIfNull(settings);
        Wait(
            parameter,
            waiting => waiting with { Settings = waiting.Settings is { } before ? settings.Over(before) : settings }
        );
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
    public static void Clear(Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        Wait(parameter, waiting => waiting with { ForgetsEarlier = true, Settings = null });
    }

    /// <summary>The overrides of a parameter that an optimizer steps; null where it has none.</summary>
    internal static OptimizerSettings? Find(Parameter parameter)
    {
        lock (Access)
        {
            if (Waiting.Count > 0 && Waiting.Remove(NativeTensor.Identity(parameter), out var change))
            {
                change.Held.Dispose();
                See(parameter, change);
            }

            return Seen.TryGetValue(parameter, out var settings) ? settings : null;
        }
    }

    private static void See(Parameter parameter, Change change)
    {
        if (change.ForgetsEarlier)
        {
            Seen.Remove(parameter);
        }

        if (change.Settings is { } given)
        {
            Seen.AddOrUpdate(parameter, Seen.TryGetValue(parameter, out var before) ? given.Over(before) : given);
        }
    }

    private static unsafe void Wait(Parameter parameter, Func<Change, Change> change)
    {
        var identity = NativeTensor.Identity(parameter);
        lock (Access)
        {
            if (!Waiting.TryGetValue(identity, out var waiting))
            {
                waiting = new(Managed.Borrow((void*)parameter.Handle).DetachFromDisposeScope());
            }

            Waiting[identity] = change(waiting);
        }
    }

    private readonly record struct Change(Tensor Held, bool ForgetsEarlier = false, OptimizerSettings? Settings = null);
}
