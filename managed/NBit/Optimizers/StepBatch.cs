using System.Runtime.InteropServices;
using NBit.Native;
using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.Optimizers;

/// <summary>Parameters that one call steps: of the same options, step number, dtype and bits.</summary>
internal sealed unsafe class StepBatch(OptimizerRule rule, StepBatch.Key key)
{
    private readonly List<ParameterState> _states = [];
    private readonly List<long> _counts = [];
    private readonly List<ulong> _seeds = [];
    private readonly List<nint> _parameters = [],
        _gradients = [];
    private readonly List<nint>[] _tensors =
    [
        [],
        [],
        [],
        [],
    ];

    /// <summary>Adds a parameter whose state is there.</summary>
    public void Add(ParameterState state, long count, void* parameter, void* gradient)
    {
        _states.Add(state);
        _counts.Add(count);
        _parameters.Add((nint)parameter);
        _gradients.Add((nint)gradient);
        foreach (var (list, address) in _tensors.Zip(state.Tensors!.Addresses))
        {
            list.Add(address);
        }

        if (key.Settings.RoundingSeed is { } seed && key.DataType == ScalarType.BFloat16)
        {
            _seeds.Add(Mix(Mix(Mix(seed) + (ulong)state.Index) + (ulong)key.Step));
        }
    }

    /// <summary>Steps all of them.</summary>
    /// <param name="gradientScale">What gradients are multiplied by.</param>
    public void Run(float gradientScale)
    {
        var settings = key.Settings;
        var numbers = StepNumbers.Of(rule.Kernel, settings, key.Step);
        fixed (long* counts = CollectionsMarshal.AsSpan(_counts))
        fixed (ulong* seeds = CollectionsMarshal.AsSpan(_seeds))
        fixed (
            nint* parameters = CollectionsMarshal.AsSpan(_parameters),
                gradients = CollectionsMarshal.AsSpan(_gradients),
                state1 = CollectionsMarshal.AsSpan(_tensors[0]),
                state2 = CollectionsMarshal.AsSpan(_tensors[1]),
                absmax1 = CollectionsMarshal.AsSpan(_tensors[2]),
                absmax2 = CollectionsMarshal.AsSpan(_tensors[3])
        )
        {
            NativeStatus.ThrowIfFailed(
                Libnbit.nbit_optimizer_step(
                    Contexts.Cpu.Address,
                    (int)rule.Kernel,
                    key.Step,
                    (float)settings.LearningRate!.Value,
                    numbers.Beta1,
                    numbers.Beta2,
                    numbers.Beta3,
                    numbers.Alpha,
                    (float)(settings.Epsilon ?? 0),
                    (float)settings.WeightDecay!.Value,
                    gradientScale,
                    (float)settings.MaxUnorm!.Value,
                    settings.SkipZeros!.Value ? 1 : 0,
                    _states.Count,
                    counts,
                    (int)key.DataType,
                    (void**)parameters,
                    (void**)gradients,
                    (int)(key.IsQuantized ? ScalarType.Byte : ScalarType.Float32),
                    (void**)state1,
                    (void**)state2,
                    (float**)absmax1,
                    (float**)absmax2,
                    seeds
                )
            );
        }

        _states.ForEach(state => state.Steps++);
    }

    // The finalizer of SplitMix64 (Steele et al. 2014): parameters and steps get seeds that have nothing in common.
    private static ulong Mix(ulong value)
    {
        value += 0x9e3779b97f4a7c15;
        value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
        value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
        return value ^ (value >> 31);
    }

    /// <summary>What the parameters of a call have in common. Options that are equal are the same object.</summary>
    public readonly record struct Key(OptimizerSettings Settings, long Step, ScalarType DataType, bool IsQuantized)
    {
        /// <inheritdoc />
        public bool Equals(Key other) =>
            ReferenceEquals(Settings, other.Settings)
            && (Step, DataType, IsQuantized) == (other.Step, other.DataType, other.IsQuantized);

        /// <inheritdoc />
        public override int GetHashCode() => HashCode.Combine(Step, DataType, IsQuantized);
    }
}
