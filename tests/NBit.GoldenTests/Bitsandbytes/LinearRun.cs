using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Bitsandbytes;

/// <summary>The linear layers of the recordings: their inputs have the same names in both files.</summary>
public static class LinearRun
{
    public const string Inputs = "(weight|bias|input|grad_output)_f32";

    /// <summary>The recorded layer in floating point.</summary>
    public static Linear Layer(RecordedCase recorded, ScalarType weightDtype, ScalarType biasDtype)
    {
        var weight = recorded.Read("weight_f32");
        var layer = nn.Linear(weight.shape[1], weight.shape[0]);
        layer.weight = nn.Parameter(weight.to(weightDtype));
        layer.bias = Bias(recorded, biasDtype);
        return layer;
    }

    public static Parameter Bias(RecordedCase recorded, ScalarType dtype) =>
        nn.Parameter(recorded.Read("bias_f32").to(dtype, copy: true));

    /// <summary>What the name asks of a layer: an output, or a gradient of the recorded output gradient.</summary>
    public static Tensor Result(RecordedCase recorded, nn.Module<Tensor, Tensor> layer, ScalarType dtype)
    {
        var x = recorded.Read("input_f32").to(dtype, copy: true);
        if (recorded["batched"].Length > 0 || recorded["what"] == "infer_3d")
        {
            x = x.reshape(2, -1, x.shape[^1]);
        }

        if (recorded["what"].StartsWith("infer_", StringComparison.Ordinal))
        {
            layer.eval();
            using var grad = no_grad();
            return layer.forward(recorded["what"] == "infer_row0" ? x.narrow(0, 0, 1) : x);
        }

        x.requires_grad_();
        var y = layer.forward(x);
        if (recorded["what"] == "output")
        {
            return y.detach();
        }

        var gradient =
            recorded["what"] == "grad_input_of_sum"
                ? ones_like(y)
                : recorded.Read("grad_output_f32").to(y.dtype).reshape(y.shape);
        y.backward([gradient]);
        return recorded["what"] switch
        {
            "grad_input" or "grad_input_of_sum" => x.grad!,
            "grad_bias" => layer.get_parameter("bias")!.grad!,
            "grad_weight" => layer.get_parameter("weight")!.grad!,
            var other => throw new ArgumentException($"{recorded.Name} asks for '{other}', which a layer has not"),
        };
    }
}
