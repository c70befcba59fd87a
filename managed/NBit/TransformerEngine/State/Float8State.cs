using NBit.Logging;
using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>
/// What a module keeps for its 8-bit products between steps: the scales of delayed scaling, cached weights, and weights
/// that are codes alone.
/// </summary>
/// <remarks>
/// Each product of the module has the slots input, weight and output in the forward pass, and gradient of the output and
/// of the input in the backward pass. Those of outputs and of gradients of inputs are never cast; they are there as in
/// Transformer Engine, whose states have them.
/// </remarks>
/// <param name="products">The number of linear products in the module.</param>
internal sealed class Float8State(int products) : SharedState
{
    public const int ForwardSlots = 3;
    public const int BackwardSlots = 2;

    private readonly QuantizedOperand?[] _weights = new QuantizedOperand?[products];
    private readonly PrimaryWeight?[] _primaries = new PrimaryWeight?[products];
    private DelayedScaling? _lastDelayed;

    /// <summary>The number of linear products in the module.</summary>
    public int Products => _weights.Length;

    /// <summary>The recipe of the last forward pass; null before the first one.</summary>
    public Float8Recipe? Recipe { get; private set; }

    /// <summary>The scales of the forward pass; null while delayed scaling was not used.</summary>
    public DelayedScales? Forward { get; private set; }

    /// <summary>The scales of the backward pass; null while delayed scaling was not used.</summary>
    public DelayedScales? Backward { get; private set; }

    /// <summary>Whether the module is gone.</summary>
    public bool IsDisposed { get; private set; }

    /// <summary>Gets ready for a forward pass under a recipe. Another kind of recipe than before begins anew.</summary>
    public void Adopt(Float8Recipe recipe)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        if (Recipe is { } previous && previous.GetType() != recipe.GetType())
        {
            Log.Warning(
                $"Recipe type changed from {previous.GetType().Name} to {recipe.GetType().Name}. This may affect model "
                    + "behavior: scales, amax histories and cached weights of the module begin anew."
            );
            Reset();
        }

        Recipe = recipe;
        if (recipe is not DelayedScaling delayed || ReferenceEquals(delayed, _lastDelayed))
        {
            return;
        }

        _lastDelayed = delayed;
        Forward ??= new(products * ForwardSlots, delayed.AmaxHistoryLength);
        Backward ??= new(products * BackwardSlots, delayed.AmaxHistoryLength);
        Forward.Resize(delayed.AmaxHistoryLength);
        Backward.Resize(delayed.AmaxHistoryLength);
    }

    /// <summary>Takes scales that were saved.</summary>
    /// <param name="forward">Scale [slots] and history [length, slots].</param>
    /// <param name="backward">Scale [slots] and history [length, slots].</param>
    public void Load((Tensor Scale, Tensor History) forward, (Tensor Scale, Tensor History) backward)
    {
        Reset();
        Forward = new(products * ForwardSlots, forward.History.shape[0]);
        Backward = new(products * BackwardSlots, backward.History.shape[0]);
        Forward.Load(forward.Scale, forward.History);
        Backward.Load(backward.Scale, backward.History);
    }

    /// <summary>A cached weight; null where none is.</summary>
    public QuantizedOperand? CachedWeight(int product) => _weights[product];

    /// <summary>Caches a weight in the place of the one before.</summary>
    /// <param name="product">Of which product.</param>
    /// <param name="weight">The weight; owned by the state from here on.</param>
    public void Cache(int product, QuantizedOperand weight)
    {
        _weights[product]?.Dispose();
        _weights[product] = weight;
    }

    /// <summary>The weight of a product where it is codes alone; else null.</summary>
    public PrimaryWeight? Primary(int product) => _primaries[product];

    /// <summary>All such weights.</summary>
    public IEnumerable<PrimaryWeight> Primaries => _primaries.OfType<PrimaryWeight>();

    /// <summary>Holds a weight as codes alone.</summary>
    /// <param name="product">Of which product.</param>
    /// <param name="weight">The weight; owned by the state from here on.</param>
    public void Hold(int product, PrimaryWeight weight) => _primaries[product] = weight;

    /// <summary>Forgets scales, histories and cached weights: the state of a new module.</summary>
    public void Reset()
    {
        Forward?.Dispose();
        Backward?.Dispose();
        (Forward, Backward, Recipe, _lastDelayed) = (null, null, null, null);
        foreach (ref var weight in _weights.AsSpan())
        {
            weight?.Dispose();
            weight = null;
        }
    }

    /// <summary>The state for one more weight; it is disposed with the last.</summary>
    public Float8State Share()
    {
        AddOwner();
        return this;
    }

    protected override void Release()
    {
        Reset();
        foreach (var weight in Primaries)
        {
            weight.Dispose();
        }

        IsDisposed = true;
    }
}
