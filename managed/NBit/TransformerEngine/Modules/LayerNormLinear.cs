using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.TransformerEngine.Modules;

/// <summary>LayerNorm or RMSNorm, and a linear layer that multiplies in 8 bits inside <see cref="Float8.Autocast" />
/// (Transformer Engine's <c>LayerNormLinear</c>).</summary>
/// <remarks>What holds for <see cref="Linear" /> holds for it. The input is kept for the backward pass, in place of the
/// normalized one, of which only codes are kept.</remarks>
public sealed class LayerNormLinear : LayerNormModule, IProjection
{
    private readonly LinearParameters _linear;

    /// <summary>Creates a layer.</summary>
    /// <param name="inFeatures">The number of inputs, 1 or more.</param>
    /// <param name="outFeatures">The number of outputs, 1 or more.</param>
    /// <param name="options">What differs from Transformer Engine's defaults.</param>
    /// <param name="parametersSplit">The names and numbers of outputs of parts with parameters of their own, as of
    /// <see cref="SplitLinear" />; null for <see cref="Weight" /> and <see cref="Bias" />.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no input or no output.</exception>
    /// <exception cref="ArgumentException">Parts do not make up the outputs, have no names of their own, or should fuse
    /// the accumulation of their weight gradients.</exception>
    public LayerNormLinear(
        long inFeatures,
        long outFeatures,
        LayerNormModuleOptions? options = null,
        IReadOnlyList<(string Name, long Size)>? parametersSplit = null
    )
        : base(nameof(LayerNormLinear), products: 1, OptionChecks.Size(inFeatures), options ??= new())
    {
        if (parametersSplit is not null && FuseWeightGradientAccumulation)
        {
            throw new ArgumentException(
                "FuseWeightGradientAccumulation takes one weight; leave out parametersSplit",
                nameof(parametersSplit)
            );
        }

        (InFeatures, OutFeatures) = (inFeatures, outFeatures);
        _linear = new(
            this,
            State,
            inFeatures,
            outFeatures,
            options.HasBias,
            parametersSplit,
            options.InitMethod,
            options.DataType
        );
    }

    /// <summary>The parameter <c>weight</c> [out, in]; null where it is split.</summary>
    public Parameter? Weight => get_parameter("weight");

    /// <summary>The parameter <c>bias</c> [out]; null where it is split, or there is none.</summary>
    public Parameter? Bias => get_parameter("bias");

    /// <summary>The number of inputs.</summary>
    public long InFeatures { get; }

    /// <summary>The number of outputs.</summary>
    public long OutFeatures { get; }

    /// <summary>What gradients of the weight are added to, as <see cref="Linear.MainGradient" />.</summary>
    public Tensor? MainGradient { get; set; }

    private protected override (Tensor Output, Tensor? Bias) Project(
        Tensor normalized,
        ModulePrecision precision,
        bool? isFirstMicrobatch
    )
    {
        var target = MainGradients.Check(
            FuseWeightGradientAccumulation,
            MainGradient,
            nameof(MainGradient),
            [OutFeatures, InFeatures]
        );
        var shift = _linear.Bias;
        var output = Multiply(
            normalized,
            _linear.Weight,
            ReturnBias ? null : shift,
            new(Product: 0, precision.Activation),
            isFirstMicrobatch,
            target
        );
        return (output, shift);
    }
}
