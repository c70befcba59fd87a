using NBit.Amp;
using NBit.Devices;
using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>What the modules of Transformer Engine ask of their inputs and parameters.</summary>
internal static class Float8Operands
{
    /// <summary>The dtype of products and results: that of autocast where it is on, else the input's, which the parameters
    /// must have then.</summary>
    /// <param name="input">The input.</param>
    /// <param name="parameters">The parameters with their names.</param>
    /// <exception cref="ArgumentException">A dtype cannot be multiplied in 8 bits, or dtypes or devices differ.</exception>
    /// <exception cref="NotSupportedException">The device is another one than the CPU.</exception>
    public static ScalarType ActivationType(Tensor input, params ReadOnlySpan<(string Name, Tensor? Tensor)> parameters)
    {
        CheckType(input, nameof(input));
        DenseTensor.CheckDevice(input, nameof(input));
        var autocast = Autocast.Current(input.device_type);
        foreach (var (name, parameter) in parameters)
        {
            if (parameter is null)
            {
                continue;
            }

            CheckType(parameter, name);
            if (parameter.device_type != input.device_type)
            {
                throw new ArgumentException(
                    $"the input is on {input.device_type} and '{name}' on {parameter.device_type}; move both to one device",
                    nameof(input)
                );
            }

            if (autocast is null && parameter.dtype != input.dtype)
            {
                throw new ArgumentException(
                    "Data types for parameters must match when outside of autocasted region. Found input dtype: "
                        + $"{input.dtype} and '{name}' dtype: {parameter.dtype}. Cast one of them, or run the module inside "
                        + "NBit.Amp.Autocast.",
                    nameof(input)
                );
            }
        }

        return autocast ?? input.dtype;
    }

    /// <summary>An input as the rows of a matrix, of a dtype and without a graph.</summary>
    /// <param name="input">[..., columns].</param>
    /// <param name="dtype">The dtype.</param>
    /// <returns>[rows, columns].</returns>
    public static Tensor Rows(Tensor input, ScalarType dtype) => input.detach().to(dtype).reshape(-1, input.shape[^1]);

    /// <exception cref="ArgumentException">The last dimension is another one.</exception>
    public static void CheckFeatures(Tensor input, long features)
    {
        if (input.dim() == 0 || input.shape[^1] != features)
        {
            throw new ArgumentException(
                $"GEMM not possible: the input is [{string.Join(", ", input.shape)}]; a layer of {features} inputs takes "
                    + $"[..., {features}]",
                nameof(input)
            );
        }
    }

    private static void CheckType(Tensor tensor, string name)
    {
        if (tensor.dtype is not (ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16))
        {
            throw new ArgumentException(
                $"{name} is {tensor.dtype}; products in 8 bits take Float32, Float16 or BFloat16: cast it, or run the module "
                    + "outside of Float8.Autocast",
                name
            );
        }
    }
}
