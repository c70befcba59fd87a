using System.Text;
using NBit.Checkpoints;
using NBit.Logging;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Training;

/// <summary>The state of TorchSharp's optimizers.</summary>
internal static class OptimizerStates
{
    /// <summary>
    /// Makes the state of an optimizer that has not stepped yet anew, in the dtype and on the device that its parameters have now:
    /// TorchSharp makes it with the optimizer, PyTorch at the first step.
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

    /// <summary>The state as bytes; empty, with a warning, where the optimizer has no way to give it.</summary>
    public static Tensor Save(optim.Optimizer optimizer)
    {
        using var bytes = new MemoryStream();
        if (optimizer is OptimizerHelper helper)
        {
            using var writer = new BinaryWriter(bytes, Encoding.UTF8, leaveOpen: true);
            helper.save_state_dict(writer);
        }
        else
        {
            Log.WarningOnce($"the state of {optimizer.GetType().Name} cannot be saved (TorchSharp keeps it in native code): a resumed run begins with a fresh one");
        }

        return tensor(bytes.ToArray());
    }

    /// <exception cref="CheckpointMismatchException">The checkpoint holds the state of another optimizer, or none.</exception>
    public static void Check(optim.Optimizer optimizer, SafetensorsReader reader, string entry, string path)
    {
        if (optimizer is not OptimizerHelper)
        {
            return;
        }

        if (!reader.Header.Entries.Any(other => other.Name == entry))
        {
            throw new CheckpointMismatchException($"{path} has no state for optimizer {entry}: it was written with fewer optimizers");
        }

        using var saved = Open(reader, entry);
        using var mine = new MemoryStream(Save(optimizer).bytes.ToArray());
        using BinaryReader savedReader = new(saved), mineReader = new(mine);
        string there = Kind(savedReader), here = Kind(mineReader);
        if (there != here)
        {
            throw new CheckpointMismatchException($"{path} holds the state of {there}, the module configures {here}. Configure the same optimizer, of the same parameters.");
        }
    }

    public static void Load(optim.Optimizer optimizer, SafetensorsReader reader, string entry)
    {
        if (optimizer is OptimizerHelper helper)
        {
            using var binary = new BinaryReader(Open(reader, entry));
            helper.load_state_dict(binary);
        }
    }

    // TorchSharp's serialization begins with the name of the class, the number of parameter groups and of states.
    private static string Kind(BinaryReader reader) =>
        reader.BaseStream.Length == 0 ? "nothing" : $"{reader.ReadString()} ({reader.Read7BitEncodedInt()} groups, {reader.Read7BitEncodedInt()} parameters)";

    // Each of TorchSharp's states has a count of steps, but for SGD's, which is empty until the first one. Adadelta never counts.
    private static bool HasStepped(OptimizerState state)
    {
        if (state is Adadelta.State adadelta)
        {
            using var any = adadelta.square_avg.any();
            return any.item<bool>();
        }

        return state.GetType().GetField("step")?.GetValue(state) is not 0L;
    }

    private static MemoryStream Open(SafetensorsReader reader, string entry) => new(reader.ReadBytes(entry));
}
