using NBit.Checkpoints;
using NBit.Interop;
using NBit.Quantization;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>Loads weights that bitsandbytes quantized as they are, into linear layers that stay TorchSharp's.</summary>
internal sealed class BitsandbytesWeightLoader
{
    private const double UsualThreshold = 6;

    private ScalarType? _computeType;
    private double _threshold = UsualThreshold;

    /// <summary>Refuses what cannot be loaded, before anything is allocated.</summary>
    /// <param name="config">What config.json says of the layers; null where it says nothing.</param>
    public void Check(BitsandbytesConfig? config)
    {
        TorchSharpInterposition.Require();
        _computeType = config?.ComputeDtype;
        _threshold = config?.Int8Threshold ?? UsualThreshold;
    }

    /// <summary>Gives a layer its weight.</summary>
    /// <param name="tensors">The checkpoint.</param>
    /// <param name="layer">The layer's tensors in it.</param>
    /// <param name="linear">The layer; its weight is on the meta device.</param>
    public void Load(TensorSource tensors, QuantizedLayer layer, Linear linear)
    {
        var weight = BitsandbytesLayout.Read(tensors, layer, _computeType, _threshold);
        linear.weight = LinearParameters.Create(weight); // libtorch lets no tensor change from meta to another device
        if (weight is Weight4bit && linear.bias is not null)
        {
            linear.bias.requires_grad = false;
        }
    }
}
