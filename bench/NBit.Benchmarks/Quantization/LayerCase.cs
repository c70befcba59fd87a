using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.Benchmarks.Quantization;

/// <summary>What is done with a layer.</summary>
internal enum LayerWork
{
    Forward,

    /// <summary>The gradient of the input.</summary>
    InputGradient,

    /// <summary>Forward and backward with an adapter, whose weights get gradients, and so does the input.</summary>
    LoraStep,
}

/// <summary>A quantized layer and what is done with it.</summary>
/// <param name="Format">"nf4", "nf4-dq" or "int8".</param>
/// <param name="Rows">The rows of the input.</param>
/// <param name="Dtype">The dtype of the input, and what 4-bit layers compute in.</param>
/// <param name="InFeatures">The number of inputs; the layer has 4096 outputs.</param>
/// <param name="Work">What is done.</param>
/// <param name="OutlierColumns">The columns of the input that hold outliers (int8).</param>
internal sealed record LayerCase(
    string Format,
    int Rows,
    ScalarType Dtype,
    int InFeatures = LayerCase.UsualInFeatures,
    LayerWork Work = LayerWork.Forward,
    int OutlierColumns = 0
)
{
    public const int OutFeatures = 4096,
        UsualInFeatures = 14336;

    /// <summary>The magnitude of LLM.int8()'s outliers.</summary>
    public const double Threshold = 6;

    private const int AdapterRank = 16;

    /// <summary>The multiplications and additions of the layer's products.</summary>
    public double Operations => 2.0 * Rows * OutFeatures * InFeatures * (Work == LayerWork.LoraStep ? 2 : 1);

    /// <summary>The bytes of the weight.</summary>
    public double WeightBytes =>
        (double)OutFeatures
        * InFeatures
        * Format switch
        {
            "nf4" => 0.5 + (4.0 / 64),
            "nf4-dq" => 0.5 + (1.0 / 64),
            _ => 1,
        };

    /// <summary>A layer in this format.</summary>
    public nn.Module<Tensor, Tensor> Quantize(TorchSharp.Modules.Linear linear)
    {
        nn.Module<Tensor, Tensor> layer =
            Format == "int8"
                ? Linear8bitLt.FromLinear(linear, threshold: Threshold)
                : Linear4bit.FromLinear(linear, Dtype, compressStatistics: Format == "nf4-dq", QuantType.NF4);
        return WithAdapter(layer);
    }

    /// <summary>A layer with an adapter, where the work needs one.</summary>
    public nn.Module<Tensor, Tensor> WithAdapter(nn.Module<Tensor, Tensor> layer)
    {
        if (Work == LayerWork.LoraStep)
        {
            Lora.Attach(layer, AdapterRank, dtype: Dtype);
        }

        return layer;
    }

    public override string ToString() =>
        $"{Format}, {Rows} {(Rows == 1 ? "row" : "rows")}, {Dtype}"
        + (InFeatures == UsualInFeatures ? "" : $", {InFeatures} inputs")
        + (OutlierColumns == 0 ? "" : $", {OutlierColumns} outlier columns")
        + Work switch
        {
            LayerWork.InputGradient => ", gradient of the input",
            LayerWork.LoraStep => ", forward and backward with an adapter",
            _ => "",
        };
}
