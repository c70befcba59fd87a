using System.Text;
using NBit.Checkpoints;
using NBit.Logging;
using NBit.Optimizers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Training;

/// <summary>The states of optimizers in training checkpoints: TorchSharp's as its own bytes, NBit's as
/// tensors.</summary>
internal static class OptimizerStates
{
    /// <summary>
    /// Makes the state of an optimizer that has not stepped yet anew, in the dtype and on the device that its
    /// parameters have now: TorchSharp makes it with the optimizer, PyTorch at the first step.
    /// </summary>
    public static void Refresh(optim.Optimizer optimizer)
    {
        if (optimizer is not OptimizerHelper helper)
        {
            return;
        }

        var dictionary = helper.state_dict();
        foreach (var (options, indices) in dictionary.Options.Zip(dictionary.StateIndexRef))
        {
            foreach (var state in indices.Select(index => dictionary.State[index]))
            {
                if (!HasStepped(state))
                {
                    state.Initialize(options);
                }
            }
        }
    }

    /// <summary>The tensors that hold the state; without any bytes, and with a warning, where the optimizer has no way
    /// to give it.</summary>
    public static IEnumerable<(string Name, Tensor Tensor)> Save(optim.Optimizer optimizer, string entry) =>
        optimizer is INamedStateOptimizer named
            ? named.SavedState().Select(tensor => (Prefix(entry) + tensor.Name, tensor.Tensor))
            : [(entry, Bytes(optimizer))];

    private static Tensor Bytes(optim.Optimizer optimizer)
    {
        using var bytes = new MemoryStream();
        if (optimizer is OptimizerHelper helper)
        {
            using var writer = new BinaryWriter(bytes, Encoding.UTF8, leaveOpen: true);
            helper.save_state_dict(writer);
        }
        else
        {
            Log.WarningOnce(
                $"the state of {optimizer.GetType().Name} cannot be saved (TorchSharp keeps it in native code): a resumed run begins with a fresh one"
            );
        }

        return tensor(bytes.ToArray());
    }

    /// <exception cref="CheckpointMismatchException">The checkpoint holds the state of another optimizer, or
    /// none.</exception>
    public static void Check(optim.Optimizer optimizer, SafetensorsReader reader, string entry, string path)
    {
        if (
            optimizer is INamedStateOptimizer named
            && named.StateFaults(reader, Prefix(entry)) is { Count: > 0 } faults
        )
        {
            throw new CheckpointMismatchException(
                $"{path} does not fit the optimizer {optimizer.GetType().Name} ({entry}): {string.Join("; ", faults.Take(5))}. "
                    + "Configure the same optimizer, of the same parameters."
            );
        }

        if (optimizer is not OptimizerHelper helper)
        {
            return;
        }

        if (!reader.Header.Entries.Any(other => other.Name == entry))
        {
            throw new CheckpointMismatchException(
                $"{path} has no state for optimizer {entry}: it was written with fewer optimizers"
            );
        }

        using var saved = Open(reader, entry);
        using var binary = new BinaryReader(saved);
        var mine = helper.state_dict();
        string there = Kind(binary),
            here = Describe(helper.GetType().Name, mine.Options.Count, mine.State.Count);
        if (there != here)
        {
            throw new CheckpointMismatchException(
                $"{path} holds the state of {there}, the module configures {here}. Configure the same optimizer, of the same parameters."
            );
        }
    }

    /// <summary>Loads a state, cast to the dtypes of the parameters.</summary>
    /// <param name="optimizer">A fresh optimizer; of no use any more where this throws.</param>
    /// <param name="reader">The checkpoint.</param>
    /// <param name="entry">The name of the state in it.</param>
    /// <param name="savedTypes">The dtypes that the parameters had.</param>
    /// <param name="path">The checkpoint's file, for messages.</param>
    /// <exception cref="CheckpointMismatchException">The state is damaged, or of other parameters.</exception>
    public static void Load(
        optim.Optimizer optimizer,
        SafetensorsReader reader,
        string entry,
        IReadOnlyDictionary<Tensor, ScalarType> savedTypes,
        string path
    )
    {
        if (optimizer is INamedStateOptimizer named)
        {
            named.LoadState(reader, Prefix(entry));
        }

        if (optimizer is not OptimizerHelper helper)
        {
            return;
        }

        var states = helper.state_dict().State.Zip(helper.parameters()).ToList();
        foreach (var (state, parameter) in states)
        {
            // TorchSharp reads that dtype only
            Cast(state, savedTypes.TryGetValue(parameter, out var saved) ? saved : parameter.dtype);
        }

        try
        {
            using var bytes = Open(reader, entry);
            using var binary = new BinaryReader(bytes);
            helper.load_state_dict(binary);
            CheckShapes(states);
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            throw new CheckpointMismatchException(
                $"{path}: the state of optimizer {entry} is damaged, or of other parameters: {error.Message} Configure "
                    + "the same optimizer, of the same parameters.",
                error
            );
        }

        foreach (var (state, parameter) in states)
        {
            Cast(state, parameter.dtype);
        }
    }

    private static void Cast(OptimizerState state, ScalarType dtype)
    {
        foreach (var field in Tensors(state))
        {
            if (field.GetValue(state) is Tensor tensor && tensor.dtype != dtype)
            {
                field.SetValue(state, tensor.to(dtype).DetachFromDisposeScope());
                tensor.Dispose();
            }
        }
    }

    private static void CheckShapes(List<(OptimizerState, Parameter)> states)
    {
        foreach (var (state, parameter) in states)
        {
            var other = Tensors(state)
                .Select(field => field.GetValue(state))
                .OfType<Tensor>()
                .FirstOrDefault(tensor => !tensor.shape.SequenceEqual(parameter.shape));
            if (other is not null)
            {
                throw new FormatException(
                    $"it is [{string.Join(", ", other.shape)}] for a parameter of "
                        + $"[{string.Join(", ", parameter.shape)}]."
                );
            }
        }
    }

    // In TorchSharp's own states each tensor is as its parameter; others may hold anything.
    private static IEnumerable<System.Reflection.FieldInfo> Tensors(OptimizerState state) =>
        state.GetType().Assembly == typeof(OptimizerState).Assembly
            ? state.GetType().GetFields().Where(field => field.FieldType == typeof(Tensor))
            : [];

    // TorchSharp's serialization begins with the name of the class, the number of parameter groups and of states.
    private static string Kind(BinaryReader reader)
    {
        try
        {
            return reader.BaseStream.Length == 0
                ? "nothing"
                : Describe(reader.ReadString(), reader.Read7BitEncodedInt(), reader.Read7BitEncodedInt());
        }
        catch (Exception error) when (error is IOException or FormatException)
        {
            return "an unknown optimizer (its bytes are damaged)";
        }
    }

    private static string Describe(string name, int groups, int parameters) =>
        $"{name} ({groups} groups, {parameters} parameters)";

    // Each of TorchSharp's states has a count of steps, but for SGD's, which is empty until the first one. Adadelta
    // never counts.
    private static bool HasStepped(OptimizerState state)
    {
        if (state is Adadelta.State adadelta)
        {
            using var any = adadelta.square_avg.any();
            return any.item<bool>();
        }

        return state.GetType().GetField("step")?.GetValue(state) is not 0L;
    }

    private static string Prefix(string entry) => $"{entry}/";

    private static MemoryStream Open(SafetensorsReader reader, string entry) => new(reader.ReadBytes(entry));
}
