using System.Runtime.InteropServices;
using NBit.Devices;
using NBit.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Optimizers;

/// <summary>Parameters that one call steps: of the same options, step number, dtype and bits.</summary>
internal sealed unsafe class StepBatch(OptimizerRule rule, StepBatch.Key key) : IDisposable
{
    private readonly List<ParameterState> _states = [];
    private readonly List<long> _counts = [];
    private readonly List<ulong> _seeds = [];
    private readonly List<DenseTensor> _arguments = [];

    /// <summary>Adds a parameter whose state is there.</summary>
    public void Add(ParameterState state, long count, Tensor gradient)
    {
        _states.Add(state);
        _counts.Add(count);
        _arguments.AddRange([
            DenseTensor.New(state.Parameter),
            DenseTensor.Of(gradient, nameof(gradient)),
            .. state.Tensors!.Arguments,
        ]);
        if (key.Settings.RoundingSeed is { } seed && key.DataType == ScalarType.BFloat16)
        {
            _seeds.Add(Mix(Mix(Mix(seed) + (ulong)state.Index) + (ulong)key.Step));
        }
    }

    /// <summary>Steps all of them.</summary>
    /// <param name="gradientScale">What gradients are multiplied by.</param>
    public void Run(float gradientScale)
    {
        DeviceCall.Run(context => Step(context, gradientScale), CollectionsMarshal.AsSpan(_arguments));
        _states.ForEach(state => state.Steps++);
    }

    /// <summary>Releases copies of tensors whose elements were not side by side.</summary>
    public void Dispose() => _arguments.ForEach(argument => argument.Dispose());

    private int Step(nbit_context* context, float gradientScale)
    {
        var settings = key.Settings;
        var numbers = StepNumbers.Of(rule.Kernel, settings, key.Step);
        fixed (long* counts = CollectionsMarshal.AsSpan(_counts))
        fixed (ulong* seeds = CollectionsMarshal.AsSpan(_seeds))
        fixed (
            nint* parameters = Addresses(0),
                gradients = Addresses(1),
                state1 = Addresses(2),
                state2 = Addresses(3),
                absmax1 = Addresses(4),
                absmax2 = Addresses(5)
        )
        {
            return Libnbit.nbit_optimizer_step(
                context,
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
            );
        }
    }

    // Of each parameter, that of one of its arguments.
    private nint[] Addresses(int which)
    {
        const int each = 6;
        var addresses = new nint[_states.Count];
        for (var i = 0; i < addresses.Length; i++)
        {
            addresses[i] = (nint)_arguments[(each * i) + which].Address;
        }

        return addresses;
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
    public readonly record struct Key(
        OptimizerSettings Settings,
        long Step,
        ScalarType DataType,
        bool IsQuantized,
        (DeviceType Type, int Index) Device
    )
    {
        /// <inheritdoc />
        public bool Equals(Key other) =>
            ReferenceEquals(Settings, other.Settings)
            && (Step, DataType, IsQuantized, Device) == (other.Step, other.DataType, other.IsQuantized, other.Device);

        /// <inheritdoc />
        public override int GetHashCode() => HashCode.Combine(Step, DataType, IsQuantized, Device);
    }
}
