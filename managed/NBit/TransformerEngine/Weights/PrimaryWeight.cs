using NBit.Interop;
using NBit.Tensors;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>A weight that its module holds as codes and scales alone (the quantized parameters of Transformer Engine's
/// <c>quantized_model_init</c>).</summary>
/// <remarks>
/// <para>
/// The codes are the module's parameter <c>weight</c>, uint8 and frozen, or its parameters for parts of the outputs. What
/// else belongs to them are buffers: <c>weight_scales</c>, <c>weight_amax</c>, and where products over rows need another
/// cast <c>weight_columns</c>, <c>weight_column_scales</c>, <c>weight_column_amax</c>. float32 scales are there as bytes,
/// which casts of a model's floating-point tensors leave as they are. So all is in the state dict.
/// </para>
/// <para>A master, <c>weight_master</c>, is a trainable parameter in floating point, from which each forward pass casts
/// the codes anew.</para>
/// </remarks>
internal sealed class PrimaryWeight : IDisposable
{
    private const string MasterSuffix = "_master";

    private readonly nn.Module _module;
    private readonly Float8State _state;
    private readonly int _product;
    private readonly string _name;
    private QuantizedOperand _operand;

    /// <summary>Casts a weight, and registers what comes of it in its module.</summary>
    /// <param name="module">The module.</param>
    /// <param name="state">That of the module.</param>
    /// <param name="product">Which product of the module.</param>
    /// <param name="name">The name of the whole weight.</param>
    /// <param name="parts">The names of its parameters and their numbers of outputs.</param>
    /// <param name="value">Floating-point [out, in]; owned from here on.</param>
    /// <param name="region">How it is cast.</param>
    public PrimaryWeight(
        nn.Module module,
        Float8State state,
        int product,
        string name,
        IReadOnlyList<(string Name, long Size)> parts,
        Tensor value,
        ModelInitRegion region
    )
    {
        (_module, _state, _product, _name, Parts) = (module, state, product, name, parts);
        (OutFeatures, InFeatures, Recipe) = (value.shape[0], value.shape[1], region.Recipe);
        _operand = Cast(value);
        foreach (var (part, codes) in Codes())
        {
            module.register_parameter(
                part,
                (Parameter)new Parameter(codes, requires_grad: false).DetachFromDisposeScope()
            );
        }

        foreach (var (companion, tensor) in Companions())
        {
            module.register_buffer(companion, tensor.DetachFromDisposeScope());
        }

        InitialValue = region.PreservesInitialValues ? value : null;
        if (InitialValue is null)
        {
            value.Dispose();
        }
    }

    /// <summary>The number of outputs.</summary>
    public long OutFeatures { get; }

    /// <summary>The number of inputs.</summary>
    public long InFeatures { get; }

    /// <summary>The names of its parameters and their numbers of outputs.</summary>
    public IReadOnlyList<(string Name, long Size)> Parts { get; }

    /// <summary>The names of all parameters and buffers that are part of it.</summary>
    public IEnumerable<string> TensorNames =>
        Parts
            .Select(part => part.Name)
            .Concat(Companions().Select(companion => companion.Name))
            .Append(_name + MasterSuffix);

    /// <summary>How it was cast.</summary>
    public Float8Recipe Recipe { get; }

    /// <summary>What was cast first, [out, in]; null where it is not preserved.</summary>
    public Tensor? InitialValue { get; private set; }

    /// <summary>The codes for one more user, which disposes them.</summary>
    public QuantizedOperand Share() => _operand.Share();

    /// <summary>What the module multiplies with.</summary>
    public ProductWeight AsProduct() => new(Master is { } master ? [master] : [], this);

    /// <summary>Whether a parameter of the module is part of the weight.</summary>
    public bool Owns(string parameter) =>
        parameter == _name + MasterSuffix || Parts.Any(part => part.Name == parameter);

    /// <exception cref="InvalidOperationException">Codes of one kind of recipe do not fit the other's.</exception>
    public void CheckRecipe(Float8Recipe recipe)
    {
        var (own, given) = (Recipe.GetType().Name, recipe.GetType().Name);
        if (own != given)
        {
            throw new InvalidOperationException(
                $"Recipe mismatch for '{_name}': its codes were made with {own} by Float8.ModelInit, but the region's "
                    + $"recipe is {given}. Give Float8.Autocast a {own}, or Float8.ModelInit a {given}."
            );
        }
    }

    /// <summary>The numbers that the codes stand for.</summary>
    /// <param name="dtype">float32, float16 or bfloat16.</param>
    public Tensor Dequantize(ScalarType dtype) => ScaledProducts.Dequantize(_operand.RowWise!, dtype);

    /// <summary>Takes other codes. Graphs that hold the ones before keep them.</summary>
    /// <param name="made">Disposed here.</param>
    public void Replace(QuantizedOperand made)
    {
        using var scope = NewDisposeScope();
        _operand.Dispose();
        _operand = ByteScales.Of(made);
        foreach (var (part, codes) in Codes())
        {
            NativeTensor.SetData(_module.get_parameter(part)!, codes);
        }

        foreach (var (companion, tensor) in Companions())
        {
            NativeTensor.SetData(_module.get_buffer(companion)!, tensor);
        }
    }

    /// <summary>Takes another weight, and so does the master.</summary>
    /// <param name="value">float32, float16 or bfloat16 [out, in].</param>
    public void Load(Tensor value)
    {
        using var grad = no_grad();
        Master?.copy_(value);
        Replace(Cast(value));
    }

    /// <summary>Adds a master, if there is none: the initial value where it is preserved, which is forgotten then, else
    /// what the codes stand for.</summary>
    public void AddMaster(ScalarType dtype)
    {
        if (Master is not null)
        {
            return;
        }

        using var scope = NewDisposeScope();
        var value = InitialValue?.to(dtype, copy: true) ?? Dequantize(dtype);
        _module.register_parameter(_name + MasterSuffix, (Parameter)new Parameter(value).DetachFromDisposeScope());
        ClearInitialValue();
    }

    /// <summary>Casts the master for the last time, and removes it.</summary>
    public void RemoveMaster()
    {
        if (Master is not { } master)
        {
            return;
        }

        Load(master);
        ModuleTensors.RemoveParameter(_module, _name + MasterSuffix);
        master.Dispose();
    }

    /// <summary>The parameters with what was cast for them first.</summary>
    /// <returns>Views.</returns>
    public IEnumerable<(string Name, Tensor Value)> InitialValues() => InitialValue is { } value ? Rows(value) : [];

    public void ClearInitialValue()
    {
        InitialValue?.Dispose();
        InitialValue = null;
    }

    public void Dispose()
    {
        _operand.Dispose();
        ClearInitialValue();
    }

    private Parameter? Master => _module.get_parameter(_name + MasterSuffix);

    private QuantizedOperand Cast(Tensor value)
    {
        _state.Adopt(Recipe);
        return ByteScales.Of(Float8Pass.CastWeight(Recipe, _state.Forward, _product, value, columnWise: true));
    }

    private IEnumerable<(string Name, Tensor Codes)> Codes() => Rows(_operand.RowWise!.Codes);

    private IEnumerable<(string Name, Tensor Rows)> Rows(Tensor whole)
    {
        var first = 0L;
        foreach (var (name, size) in Parts)
        {
            yield return (name, whole.narrow(0, first, size));
            first += size;
        }
    }

    private IEnumerable<(string Name, Tensor Tensor)> Companions()
    {
        var (rows, columns) = (_operand.RowWise!, _operand.ColumnWise!);
        yield return (_name + "_scales", rows.Scales.detach());
        if (rows.Amax is not null)
        {
            yield return (_name + "_amax", rows.Amax.detach());
        }

        if (ReferenceEquals(rows, columns))
        {
            yield break;
        }

        yield return (_name + "_columns", columns.Codes.detach());
        yield return (_name + "_column_scales", columns.Scales.detach());
        if (columns.Amax is not null)
        {
            yield return (_name + "_column_amax", columns.Amax.detach());
        }
    }
}
