using NBit.Amp;
using NBit.Checkpoints;
using NBit.Interop;
using NBit.Native;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Optimizers;

/// <summary>
/// An optimizer after bitsandbytes, whose states have 8 bits an element, in blocks of 256 that share one absmax
/// (Dettmers et al. 2022), or 32. One pass over parameter, gradient and states makes a step.
/// </summary>
/// <remarks>
/// <para>Parameters are float32, float16 or bfloat16 on the CPU, their gradients of the same dtype; a step computes in
/// float32, in the order of bitsandbytes' CUDA kernels, and rounds a parameter once. Parameters without gradient and
/// empty ones are left alone. A gradient that is infinite or NaN shows in a parameter with 32-bit state; with 8-bit
/// state, such an element keeps its parameter and its state becomes 0, as it would spoil its block.</para>
/// <para>States are made when a parameter first steps, in 8 bits where it has <c>min8bitSize</c> (4096) elements or
/// more. Schedulers of TorchSharp's move the learning rate, and where it says IBetas or IMomentum these too. Not
/// thread-safe.</para>
/// </remarks>
public abstract class NBitOptimizer : optim.Optimizer, IGradScalingOptimizer, INamedStateOptimizer
{
    private readonly OptimizerRule _rule;
    private readonly List<ParameterGroup> _groups = [];

    private protected NBitOptimizer(
        nbit_optimizer kernel,
        IEnumerable<OptimizerGroup> groups,
        OptimizerSettings arguments,
        OptimizerSettings? settings
    )
        : base(0)
    {
        ArgumentNullException.ThrowIfNull(groups);
        _rule = OptimizerRule.Of(GetType().Name, kernel, arguments, settings);
        foreach (var group in groups)
        {
            Add(group);
        }

        if (!States.Any())
        {
            throw new ArgumentException($"{_rule.Optimizer} got no parameters", nameof(groups));
        }
    }

    /// <inheritdoc />
    public override IEnumerable<optim.ILearningRateController> ParamGroups => _groups;

    /// <inheritdoc />
    public Tensor? GradScale { get; set; }

    /// <inheritdoc />
    public Tensor? FoundInf { get; set; }

    /// <inheritdoc />
    public bool TakesUnscaledGradients => true;

    private IEnumerable<ParameterState> States => _groups.SelectMany(group => group.States);

    /// <summary>Steps all parameters that have a gradient. What can be wrong is found before one is changed.</summary>
    /// <param name="closure">Computes the loss and its gradients, and returns the loss; or null.</param>
    /// <returns>What the closure returned, or null.</returns>
    /// <exception cref="NotSupportedException">A parameter is of another dtype or not on the CPU, or its gradient is
    /// sparse.</exception>
    /// <exception cref="InvalidOperationException">A gradient is not of its parameter's shape and dtype.</exception>
    /// <exception cref="ArgumentException">An option is out of range, or an override is not this
    /// optimizer's.</exception>
    public override Tensor? step(Func<Tensor>? closure = null)
    {
        Tensor? loss = null;
        if (closure is not null)
        {
            using var _ = enable_grad();
            loss = closure();
        }

        if (FoundInf?.item<float>() > 0)
        {
            return loss;
        }

        using var noGradients = no_grad();
        using var scope = NewDisposeScope();
        using var step = new OptimizerStep(_rule, _groups);
        step.Run(GradScale is null ? 1 : (float)(1 / (double)GradScale.item<float>()));
        return loss;
    }

    /// <summary>Fills the gradients with zeros, as TorchSharp's optimizers do.</summary>
    public override void zero_grad()
    {
        using var scope = NewDisposeScope();
        foreach (var parameter in parameters())
        {
            parameter.grad?.zero_();
        }
    }

    /// <inheritdoc />
    public override IEnumerable<Parameter> parameters() => States.Select(state => state.Parameter);

    /// <summary>Adds a group of parameters.</summary>
    /// <param name="param_group">An <see cref="OptimizerGroup" />, or a group that says nothing but its
    /// parameters.</param>
    /// <exception cref="ArgumentException">A parameter or name is there already, or an option is not allowed; nothing
    /// was changed.</exception>
    public override void add_param_group(ParamGroup param_group)
    {
        ArgumentNullException.ThrowIfNull(param_group);
        Add(
            param_group switch
            {
                OptimizerGroup own => own,
                { Options: null } => new OptimizerGroup(param_group.Parameters),
                _ => throw new ArgumentException(
                    $"{_rule.Optimizer} cannot read the options of a {param_group.GetType()}; give a {typeof(OptimizerGroup)}",
                    nameof(param_group)
                ),
            }
        );
    }

    /// <inheritdoc />
    public IReadOnlyList<(string Name, Tensor Tensor)> NamedStates() =>
        [
            .. States.SelectMany(state =>
                state.Tensors is null
                    ? []
                    : state.Tensors.Named.Select(entry => ($"{state.Name}.{entry.Name}", entry.Tensor))
            ),
        ];

    /// <inheritdoc />
    public IReadOnlyList<(string Name, Tensor Tensor)> SavedState() =>
        [.. NamedStates(), (SavedNumbers.Entry, Numbers().Pack())];

    /// <inheritdoc />
    public IReadOnlyList<string> StateFaults(TensorSource source, string prefix) =>
        new StateReader(_rule, _groups, source, prefix).Faults;

    /// <inheritdoc />
    public void LoadState(TensorSource source, string prefix)
    {
        ArgumentNullException.ThrowIfNull(source);
        var state = new StateReader(_rule, _groups, source, prefix);
        if (state.Faults.Count > 0)
        {
            throw new ArgumentException(
                $"the state does not fit {_rule.Optimizer}: {string.Join("; ", state.Faults.Take(5))}",
                nameof(source)
            );
        }

        using var noGradients = no_grad();
        state.Load();
    }

    /// <summary>Writes options and states to a safetensors file, by the names of the parameters (their numbers where
    /// they have none). The file is replaced at once.</summary>
    /// <param name="path">Where to.</param>
    /// <exception cref="IOException">It could not be written; a file that was there is as it was.</exception>
    public void SaveState(string path)
    {
        using var scope = NewDisposeScope();
        SafetensorsWriter.Save(path, SavedState());
    }

    /// <summary>Loads what <see cref="SaveState" /> wrote; the steps that follow are the same, bit for bit.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="ArgumentException">It is of another optimizer or other parameters; nothing was
    /// changed.</exception>
    /// <exception cref="SafetensorsFormatException">The file is not valid.</exception>
    public void LoadState(string path)
    {
        using var source = TensorSource.Open(path);
        LoadState(source, prefix: "");
    }

    /// <summary>The options of the first group.</summary>
    private protected OptimizerSettings Settings => _groups[0].Settings;

    /// <summary>Changes options of all groups.</summary>
    private protected void Change(Func<OptimizerSettings, OptimizerSettings> change) =>
        _groups.ForEach(group => group.Settings = _rule.Complete(change(group.Settings), _rule.Defaults));

    /// <summary>Releases the states.</summary>
    /// <param name="disposing">Whether it was called by Dispose.</param>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            foreach (var state in States)
            {
                state.Dispose();
            }
        }

        base.Dispose(disposing);
    }

    private SavedNumbers Numbers() =>
        new(
            _rule.Optimizer,
            _groups.ConvertAll(group => new SavedNumbers.Group(
                group.InitialLearningRate,
                group.Settings,
                [.. group.States.Select(state => new SavedNumbers.SavedParameter(state.Name, state.Steps))]
            ))
        );

    private void Add(OptimizerGroup group)
    {
        var settings = _rule.Complete(group.Settings, _rule.Defaults);
        var before = States.ToList();
        var names = before.Select(state => state.Name).ToHashSet(StringComparer.Ordinal);
        var tensors = before.Select(state => NativeTensor.Identity(state.Parameter)).ToHashSet();
        var states = new List<ParameterState>();
        foreach (var (given, parameter) in group.Named)
        {
            var index = before.Count + states.Count;
            var name = given ?? $"{index}";
            if (!names.Add(name) || !tensors.Add(NativeTensor.Identity(parameter)))
            {
                throw new ArgumentException(
                    $"parameter {name} is given twice to {_rule.Optimizer}; each parameter, and each name, may be in one group once",
                    nameof(group)
                );
            }

            states.Add(new(name, parameter, index));
        }

        _groups.Add(ParameterGroup.Of(states, settings));
    }
}
