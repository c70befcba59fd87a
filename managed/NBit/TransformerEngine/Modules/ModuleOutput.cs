using static TorchSharp.torch;

namespace NBit.TransformerEngine.Modules;

/// <summary>What a module gives besides its output, where it was made to.</summary>
/// <param name="Output">The output.</param>
/// <param name="Bias">The bias that was not added to the output, of its dtype; null where it was added, or there is
/// none.</param>
/// <param name="LayerNormOutput">The normalized input; null where the module does not return it.</param>
public readonly record struct ModuleOutput(Tensor Output, Tensor? Bias = null, Tensor? LayerNormOutput = null)
{
    /// <exception cref="InvalidOperationException">A module whose only output is asked for was made to return
    /// more.</exception>
    internal static void CheckSingle(nn.Module module, bool returnsBias, bool returnsLayerNormOutput = false)
    {
        if (returnsBias || returnsLayerNormOutput)
        {
            throw new InvalidOperationException(
                $"this {module.GetName()} was made to return its {(returnsBias ? "bias" : "normalized input")} beside "
                    + "its output: call ForwardParts"
            );
        }
    }

    internal ModuleOutput MoveToOuterDisposeScope() =>
        new(
            Output.MoveToOuterDisposeScope(),
            Bias?.MoveToOuterDisposeScope(),
            LayerNormOutput?.MoveToOuterDisposeScope()
        );
}
