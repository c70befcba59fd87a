using NBit.Devices;
using static TorchSharp.torch;

namespace NBit.Optimizers;

/// <summary>The state of one parameter: float32, or 8-bit codes in blocks of 256 with an absmax each.</summary>
internal sealed class StateTensors : IDisposable
{
    /// <summary>The names that bitsandbytes gives them.</summary>
    public static readonly string[] Names = ["state1", "state2", "absmax1", "absmax2"];

    private readonly Tensor?[] _tensors;

    private StateTensors(Tensor?[] tensors)
    {
        _tensors = tensors;
        Arguments = [.. tensors.Select(DenseTensor.New)];
    }

    public bool IsQuantized => _tensors[0]!.dtype == ScalarType.Byte;

    /// <summary>The tensors for a step, by the order of their names; of no tensor for those that are not there.</summary>
    public DenseTensor[] Arguments { get; }

    /// <summary>The tensors that are there.</summary>
    public IEnumerable<(string Name, Tensor Tensor)> Named =>
        Names.Zip(_tensors).Where(entry => entry.Second is not null).Select(entry => (entry.First, entry.Second!));

    /// <summary>What each tensor of a parameter's state is; null for those that are not there.</summary>
    public static (ScalarType Type, long[] Shape)?[] Layout(OptimizerRule rule, long[] shape, bool isQuantized)
    {
        var blocks = BlockCount(shape.Aggregate(1L, (product, size) => product * size));
        long[] several = rule.FirstStates > 1 ? [rule.FirstStates] : [];
        var type = isQuantized ? ScalarType.Byte : ScalarType.Float32;
        return
        [
            (type, [.. several, .. shape]),
            rule.HasSecondState ? (type, shape) : null,
            isQuantized ? (ScalarType.Float32, [.. several, blocks]) : null,
            isQuantized && rule.HasSecondState ? (ScalarType.Float32, [blocks]) : null,
        ];
    }

    /// <summary>The state before the first step: zeros. The codes 0 stand for 0, as their absmax is 0.</summary>
    public static StateTensors Zeros(OptimizerRule rule, Tensor parameter, bool isQuantized) =>
        Make(Layout(rule, parameter.shape, isQuantized), (_, type, shape) => zeros(shape, type, parameter.device));

    /// <summary>A state of given tensors, which it owns.</summary>
    public static StateTensors Make(
        (ScalarType Type, long[] Shape)?[] layout,
        Func<string, ScalarType, long[], Tensor> make
    )
    {
        var tensors = new Tensor?[layout.Length];
        try
        {
            foreach (var (index, name) in Names.Index())
            {
                tensors[index] = layout[index] is { } tensor
                    ? make(name, tensor.Type, tensor.Shape).DetachFromDisposeScope()
                    : null;
            }

            return new(tensors);
        }
        catch
        {
            Array.ForEach(tensors, tensor => tensor?.Dispose());
            throw;
        }
    }

    /// <summary>Takes the tensors to a device; those that are there stay the same.</summary>
    public void MoveTo(Device device)
    {
        foreach (var (index, tensor) in _tensors.Index())
        {
            if (tensor is not null && !tensor.IsOn(device))
            {
                using (tensor)
                {
                    _tensors[index] = tensor.to(device).DetachFromDisposeScope();
                    Arguments[index] = DenseTensor.New(_tensors[index]);
                }
            }
        }
    }

    public void Dispose() => Array.ForEach(_tensors, tensor => tensor?.Dispose());

    private static long BlockCount(long count) => (count + OptimizerRule.Blocksize - 1) / OptimizerRule.Blocksize;
}
