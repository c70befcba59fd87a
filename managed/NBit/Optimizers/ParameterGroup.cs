using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Optimizers;

/// <summary>A group of parameters in an optimizer, with their states.</summary>
internal class ParameterGroup : ParamGroup
{
    private ParameterGroup(IReadOnlyList<ParameterState> states, OptimizerSettings settings)
    {
        States = states;
        Parameters = [.. states.Select(state => state.Parameter)];
        Options = new() { LearningRate = settings.LearningRate, InitialLearningRate = settings.LearningRate!.Value };
        Settings = settings;
    }

    public IReadOnlyList<ParameterState> States { get; }

    /// <summary>All options of the optimizer, with the learning rate that schedulers have set.</summary>
    public OptimizerSettings Settings
    {
        get => field with { LearningRate = LearningRate };
        set
        {
            field = value;
            LearningRate = value.LearningRate!.Value;
        }
    }

    /// <summary>A group that schedulers see as what it is.</summary>
    public static ParameterGroup Of(IReadOnlyList<ParameterState> states, OptimizerSettings settings) =>
        settings.Betas is not null ? new WithBetas(states, settings)
        : settings.Momentum is not null ? new WithMomentum(states, settings)
        : new ParameterGroup(states, settings);

    private sealed class WithBetas(IReadOnlyList<ParameterState> states, OptimizerSettings settings)
        : ParameterGroup(states, settings),
            optim.IBetas
    {
        public (double, double) Betas
        {
            get => Settings.Betas!.Value;
            set => Settings = Settings with { Betas = value };
        }
    }

    private sealed class WithMomentum(IReadOnlyList<ParameterState> states, OptimizerSettings settings)
        : ParameterGroup(states, settings),
            optim.IMomentum
    {
        public double Momentum
        {
            get => Settings.Momentum!.Value;
            set => Settings = Settings with { Momentum = value };
        }
    }
}
