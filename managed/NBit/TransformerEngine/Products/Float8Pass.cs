using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>One forward pass of a module in a region, and the backward passes that belong to it.</summary>
internal sealed unsafe class Float8Pass
{
    private readonly Float8State _state;
    private readonly DelayedScales? _forward;
    private readonly Float8Step _step;
    private readonly bool _isFirst;
    private readonly bool _needsGradient;

    private Float8Pass(Float8State state, Float8Region region, bool needsGradient)
    {
        state.Adopt(region.Recipe);
        (_state, Recipe, _step, _needsGradient) = (state, region.Recipe, region.Step, needsGradient);
        if (region.Recipe is DelayedScaling delayed)
        {
            var recomputation = Recomputation.Current;
            _step.Add(state, delayed, hasBackward: recomputation is not { IsSecondRun: false });
            _forward = recomputation?.ScalesOf(state) ?? state.Forward;
        }

        _isFirst = needsGradient && _step.ClaimFirst();
    }

    public Float8Recipe Recipe { get; }

    private bool QuantizesBackward => _needsGradient && Recipe.BackwardOverride == BackwardOverride.None;

    /// <summary>Begins a forward pass.</summary>
    /// <param name="state">That of the module.</param>
    /// <param name="needsGradient">Whether a backward pass could come.</param>
    /// <returns>Null outside of enabled regions: the module multiplies in its own precision.</returns>
    public static Float8Pass? Begin(Float8State state, bool needsGradient) =>
        Float8Region.Current is { Enabled: true } region ? new(state, region, needsGradient) : null;

    /// <summary>Notes the amaxes of a product that is computed in high precision, in regions that calibrate delayed
    /// scaling.</summary>
    public static void Calibrate(Float8State state, int product, Tensor input, ProductWeight weight)
    {
        if (Float8Region.Current is not { Enabled: false, Calibrating: true, Recipe: DelayedScaling delayed })
        {
            return;
        }

        weight.Primary?.CheckRecipe(delayed);
        using var grad = no_grad();
        using var scope = NewDisposeScope();
        state.Adopt(delayed);
        var newest = state.Forward!.AmaxHistory.select(0, 0).narrow(0, product * Float8State.ForwardSlots, 2);
        newest.copy_(cat([ScaledCasts.Amax(input), ScaledCasts.Amax(weight.Whole())]));
    }

    /// <summary>Casts the input of a product.</summary>
    /// <param name="product">Which product of the module.</param>
    /// <param name="source">[rows, in], float32, float16 or bfloat16.</param>
    /// <param name="amax">float32 [1] for current scaling, in place of the source's; or null.</param>
    public QuantizedOperand QuantizeInput(int product, Tensor source, Tensor? amax = null) =>
        OperandWatch.See(
            OperandRole.Input,
            product,
            _forward is null
                ? OperandCasts.Quantize(Recipe, OperandRole.Input, source, rowWise: true, QuantizesBackward, amax)
                : Delayed(_forward, Float8State.ForwardSlots * product, source, Recipe.ForwardType)
        );

    /// <summary>Casts the weight of a product, or takes codes that are there.</summary>
    /// <param name="product">Which product of the module.</param>
    /// <param name="weight">The weight; one that is codes alone is cast from its master, if it has one.</param>
    /// <param name="isFirstMicrobatch">True to cast and cache it, false to take the cached one if there is one, null to
    /// cast it.</param>
    public QuantizedOperand QuantizeWeight(int product, ProductWeight weight, bool? isFirstMicrobatch = null) =>
        weight.Primary is { } primary
            ? QuantizePrimary(product, weight, primary, isFirstMicrobatch == false)
            : QuantizeOrdinary(product, weight, isFirstMicrobatch);

    /// <summary>Casts a weight.</summary>
    /// <param name="recipe">How.</param>
    /// <param name="scales">The scales of delayed scaling; null for other recipes.</param>
    /// <param name="product">Which product of the module.</param>
    /// <param name="weight">[out, in], float32, float16 or bfloat16.</param>
    /// <param name="columnWise">Whether a product sums over its rows.</param>
    public static QuantizedOperand CastWeight(
        Float8Recipe recipe,
        DelayedScales? scales,
        int product,
        Tensor weight,
        bool columnWise
    ) =>
        recipe.IsDelayed
            ? Delayed(scales!, (Float8State.ForwardSlots * product) + 1, weight, recipe.ForwardType)
            : OperandCasts.Quantize(recipe, OperandRole.Weight, weight, rowWise: true, columnWise);

    /// <summary>Casts the gradient of the output of a product.</summary>
    /// <param name="product">Which product of the module.</param>
    /// <param name="gradient">[rows, out], float32, float16 or bfloat16.</param>
    /// <param name="forInput">Whether the gradient of the input is needed.</param>
    /// <param name="forWeight">Whether the gradient of the weight is needed.</param>
    /// <param name="amax">float32 [1] for current scaling, in place of the gradient's; or null.</param>
    public QuantizedOperand QuantizeGradient(
        int product,
        Tensor gradient,
        bool forInput,
        bool forWeight,
        Tensor? amax = null
    ) =>
        OperandWatch.See(
            OperandRole.Gradient,
            product,
            Recipe.IsDelayed
                ? Delayed(BackwardScales(), Float8State.BackwardSlots * product, gradient, Recipe.BackwardType)
                : OperandCasts.Quantize(Recipe, OperandRole.Gradient, gradient, forInput, forWeight, amax)
        );

    /// <summary>Ends a backward pass: where the module ran first in its step, the scales of all gradients of the step
    /// move on.</summary>
    public void EndBackward()
    {
        if (_isFirst)
        {
            _step.UpdateBackward();
        }
    }

    private QuantizedOperand QuantizePrimary(int product, ProductWeight weight, PrimaryWeight primary, bool takesCodes)
    {
        if (!takesCodes && weight.Parts is [var master])
        {
            // By the recipe of the codes, whose settings say what else is registered beside them.
            primary.Replace(CastWeight(primary.Recipe, _forward, product, master.detach(), columnWise: true));
        }

        return OperandWatch.See(OperandRole.Weight, product, primary.Share());
    }

    private QuantizedOperand QuantizeOrdinary(int product, ProductWeight weight, bool? isFirstMicrobatch)
    {
        if (isFirstMicrobatch == false && _state.CachedWeight(product) is { } cached)
        {
            return cached.Share();
        }

        using var grad = no_grad();
        var caches = isFirstMicrobatch is not null;
        var made = CastWeight(Recipe, _forward, product, weight.Whole(), caches || QuantizesBackward);
        if (caches)
        {
            _state.Cache(product, made.Share());
        }

        return OperandWatch.See(OperandRole.Weight, product, made);
    }

    private DelayedScales BackwardScales() =>
        _state.Backward
        ?? throw new InvalidOperationException(
            "the scales of a Float8 module are gone before its backward pass: do not dispose it, or run it under another kind "
                + "of recipe, in between"
        );

    private static QuantizedOperand Delayed(DelayedScales scales, int slot, Tensor source, CodeFormat type)
    {
        using var scope = NewDisposeScope();
        scales.MoveTo(source.device);
        var codes = ScaledCasts.QuantizeTensor(source, type, scales.ScaleOf(slot), scales.AmaxOf(slot));
        return QuantizedOperand.Both(codes);
    }
}
