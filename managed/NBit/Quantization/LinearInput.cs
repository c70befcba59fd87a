using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>Inputs of quantized layers.</summary>
internal static class LinearInput
{
    /// <summary>The input where it is float32, float16 or bfloat16, else cast to float32.</summary>
    /// <exception cref="ArgumentException">It is no floating-point tensor.</exception>
    public static Tensor Supported(Tensor input) =>
        input.dtype switch
        {
            ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16 => input,
            _ when input.is_floating_point() => input.detach().to(ScalarType.Float32),
            _ => throw new ArgumentException(
                $"the input of a quantized linear layer is {input.dtype}; it must be floating-point",
                nameof(input)
            ),
        };

    /// <summary>The bias where it is float32, float16 or bfloat16, else cast to float32.</summary>
    public static Tensor? SupportedBias(Tensor? bias) => bias is null ? null : Supported(bias);
}
