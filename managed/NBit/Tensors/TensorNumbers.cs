using static TorchSharp.torch;

namespace NBit.Tensors;

/// <summary>Numbers out of tensors.</summary>
internal static class TensorNumbers
{
    /// <summary>The only element of a tensor, of any real dtype.</summary>
    public static double ToDouble(this Tensor tensor)
    {
        switch (tensor.dtype)
        {
            case ScalarType.Float32:
                return tensor.item<float>();
            case ScalarType.Float64:
                return tensor.item<double>();
            default:
                using (var wide = tensor.detach())
                using (var number = wide.to(ScalarType.Float64))
                {
                    return number.item<double>();
                }
        }
    }
}
