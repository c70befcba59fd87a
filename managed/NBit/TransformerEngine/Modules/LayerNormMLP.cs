using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.TransformerEngine.Modules;

/// <summary>LayerNorm or RMSNorm, and two linear layers with an activation between them, which multiply in 8 bits
/// inside <see cref="Float8.Autocast" /> (Transformer Engine's <c>LayerNormMLP</c>).</summary>
/// <remarks>
/// The output of the first layer is rounded to the dtype of activations and kept for the backward pass; the activation
/// and its gradient are computed in float32 from there. With delayed scaling both are cast unrounded, and the gradient
/// of the first bias sums unrounded numbers.
/// </remarks>
public sealed class LayerNormMLP : LayerNormModule
{
    private readonly ModuleWeight _fc1;
    private readonly ModuleWeight _fc2;

    /// <summary>Creates a module.</summary>
    /// <param name="hiddenSize">The number of inputs and outputs, 1 or more.</param>
    /// <param name="ffnHiddenSize">The number of features between the layers, 1 or more; a gated activation takes twice
    /// as many from the first layer.</param>
    /// <param name="activation">The activation; null for <see cref="Activation.Gelu" />.</param>
    /// <param name="options">What differs from Transformer Engine's defaults.</param>
    /// <param name="outputLayerInitMethod">Fills the second weight in place; null for numbers of N(0, 0.023).</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1.</exception>
    public LayerNormMLP(
        long hiddenSize,
        long ffnHiddenSize,
        Activation? activation = null,
        LayerNormModuleOptions? options = null,
        Action<Tensor>? outputLayerInitMethod = null
    )
        : base(nameof(LayerNormMLP), products: 2, OptionChecks.Size(hiddenSize), options ??= new())
    {
        (HiddenSize, FfnHiddenSize) = (hiddenSize, OptionChecks.Size(ffnHiddenSize));
        Activation = activation ?? Activation.Gelu;
        _fc1 = MakeWeight(product: 0, "fc1_weight", Fc1Features, hiddenSize, options.InitMethod);
        RegisterBias("fc1_bias", Fc1Features);
        _fc2 = MakeWeight(product: 1, "fc2_weight", hiddenSize, ffnHiddenSize, outputLayerInitMethod);
        RegisterBias("fc2_bias", hiddenSize);

        ModuleWeight MakeWeight(int product, string name, long outputs, long inputs, Action<Tensor>? init) =>
            new(this, State, product, name, [(name, outputs)], inputs, init, options.DataType);

        void RegisterBias(string name, long size)
        {
            if (options.HasBias)
            {
                register_parameter(
                    name,
                    ModuleParameters.Create([size], options.DataType, made => nn.init.zeros_(made))
                );
            }
        }
    }

    /// <summary>The parameter <c>fc1_weight</c> of the first layer, [between, hidden], or [2 * between, hidden] for a
    /// gated activation.</summary>
    public Parameter Fc1Weight => get_parameter("fc1_weight")!;

    /// <summary>The parameter <c>fc1_bias</c> of the first layer, or null.</summary>
    public Parameter? Fc1Bias => get_parameter("fc1_bias");

    /// <summary>The parameter <c>fc2_weight</c> of the second layer [hidden, between].</summary>
    public Parameter Fc2Weight => get_parameter("fc2_weight")!;

    /// <summary>The parameter <c>fc2_bias</c> of the second layer [hidden], or null.</summary>
    public Parameter? Fc2Bias => get_parameter("fc2_bias");

    /// <summary>The number of inputs and outputs.</summary>
    public long HiddenSize { get; }

    /// <summary>The number of features between the layers.</summary>
    public long FfnHiddenSize { get; }

    /// <summary>The activation.</summary>
    public Activation Activation { get; }

    /// <summary>What gradients of <see cref="Fc1Weight" /> are added to, as
    /// <see cref="Linear.MainGradient" />.</summary>
    public Tensor? Fc1MainGradient { get; set; }

    /// <summary>What gradients of <see cref="Fc2Weight" /> are added to, as
    /// <see cref="Linear.MainGradient" />.</summary>
    public Tensor? Fc2MainGradient { get; set; }

    private long Fc1Features => FfnHiddenSize * (Activation.IsGated ? 2 : 1);

    private protected override (Tensor Output, Tensor? Bias) Project(
        Tensor normalized,
        ModulePrecision precision,
        bool? isFirstMicrobatch
    )
    {
        var (first, second) = (
            Target(Fc1MainGradient, nameof(Fc1MainGradient), Fc1Features, HiddenSize),
            Target(Fc2MainGradient, nameof(Fc2MainGradient), HiddenSize, FfnHiddenSize)
        );
        var between = Multiply(
            normalized,
            _fc1.Product,
            Fc1Bias,
            new(Product: 0, precision.Activation) { OutputType = precision.Intermediate },
            isFirstMicrobatch,
            first
        );
        var (activated, amax) = ActivationStep.Forward(Activation, between, precision);
        var output = Multiply(
            activated,
            _fc2.Product,
            ReturnBias ? null : Fc2Bias,
            new(Product: 1, precision.Activation) { InputAmax = amax },
            isFirstMicrobatch,
            second
        );
        return (output, Fc2Bias);

        Tensor? Target(Tensor? target, string name, long outputs, long inputs) =>
            MainGradients.Check(FuseWeightGradientAccumulation, target, name, [outputs, inputs]);
    }
}
