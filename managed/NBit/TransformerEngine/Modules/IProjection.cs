using static TorchSharp.torch;

namespace NBit.TransformerEngine.Modules;

/// <summary>A linear layer, with or without a norm before it.</summary>
internal interface IProjection
{
    /// <summary>The layer, with what else it was made to return.</summary>
    ModuleOutput ForwardParts(Tensor input, bool? isFirstMicrobatch = null);
}
