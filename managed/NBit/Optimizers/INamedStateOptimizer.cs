using NBit.Checkpoints;
using static TorchSharp.torch;

namespace NBit.Optimizers;

/// <summary>
/// An optimizer whose state is tensors by name, which training checkpoints and files keep as they are.
/// </summary>
public interface INamedStateOptimizer
{
    /// <summary>The tensors of the states: those that the optimizer works on, and not copies.</summary>
    /// <returns>The parameter's name, a dot and what the tensor is, and the tensor.</returns>
    IReadOnlyList<(string Name, Tensor Tensor)> NamedStates();

    /// <summary>All that a file needs: the states, and options, learning rates and step numbers as JSON in a uint8
    /// tensor, as bitsandbytes keeps its quantization states.</summary>
    /// <returns>Names and tensors. Those that are not in <see cref="NamedStates" /> are new: dispose them.</returns>
    IReadOnlyList<(string Name, Tensor Tensor)> SavedState();

    /// <summary>What of a saved state does not fit this optimizer.</summary>
    /// <param name="source">Where the tensors are.</param>
    /// <param name="prefix">What their names begin with.</param>
    /// <returns>A sentence for each fault; empty where the state fits.</returns>
    IReadOnlyList<string> StateFaults(TensorSource source, string prefix);

    /// <summary>Takes a saved state in place of the one that is there; where it throws, nothing was changed.</summary>
    /// <param name="source">Where the tensors are.</param>
    /// <param name="prefix">What their names begin with.</param>
    /// <exception cref="ArgumentException">The state does not fit; the message says why.</exception>
    void LoadState(TensorSource source, string prefix);
}
