using NBit.Tensors;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Training;

/// <summary>
/// A model that <see cref="Fabric" /> set up: its forward casts arguments and results; everything else is the model's.
/// </summary>
/// <typeparam name="T">The argument of its forward.</typeparam>
/// <typeparam name="TResult">The result of its forward.</typeparam>
public sealed class FabricModule<T, TResult> : nn.Module<T, TResult>, IFabricModule
{
    private readonly Fabric _fabric;
    private readonly HashSet<Tensor> _own;

    internal FabricModule(Fabric fabric, nn.Module<T, TResult> model)
        : base(model.GetName())
    {
        _fabric = fabric;
        Module = model;
        _own = ModuleTensors.Of(model);
    }

    /// <summary>The model itself.</summary>
    public nn.Module<T, TResult> Module { get; }

    /// <inheritdoc />
    public override bool training => Module.training;

    /// <inheritdoc />
    public override TResult forward(T input) => _fabric.Forward(input, Module.forward, _own);

    /// <inheritdoc />
    public override void train(bool train = true) => Module.train(train);

    /// <inheritdoc />
    public override IEnumerable<(string name, Parameter parameter)> named_parameters(bool recurse = true) =>
        Module.named_parameters(recurse);

    /// <inheritdoc />
    public override IEnumerable<(string name, Tensor buffer)> named_buffers(
        bool recurse = true,
        bool include_nonpersistent = true
    ) => Module.named_buffers(recurse, include_nonpersistent);

    /// <inheritdoc />
    public override IEnumerable<(string name, nn.Module module)> named_children() => Module.named_children();

    /// <inheritdoc />
    public override IEnumerable<(string name, nn.Module module)> named_modules() => Module.named_modules();

    /// <inheritdoc />
    public override Dictionary<string, Tensor> state_dict(
        Dictionary<string, Tensor>? destination = null,
        string? prefix = null
    ) => Module.state_dict(destination, prefix);
}

/// <summary>
/// A model that <see cref="Fabric" /> set up: its forward casts arguments and results; everything else is the model's.
/// </summary>
/// <typeparam name="T1">The first argument of its forward.</typeparam>
/// <typeparam name="T2">The second argument of its forward.</typeparam>
/// <typeparam name="TResult">The result of its forward.</typeparam>
public sealed class FabricModule<T1, T2, TResult> : nn.Module<T1, T2, TResult>, IFabricModule
{
    private readonly Fabric _fabric;
    private readonly HashSet<Tensor> _own;

    internal FabricModule(Fabric fabric, nn.Module<T1, T2, TResult> model)
        : base(model.GetName())
    {
        _fabric = fabric;
        Module = model;
        _own = ModuleTensors.Of(model);
    }

    /// <summary>The model itself.</summary>
    public nn.Module<T1, T2, TResult> Module { get; }

    /// <inheritdoc />
    public override bool training => Module.training;

    /// <inheritdoc />
    public override TResult forward(T1 input1, T2 input2) =>
        _fabric.Forward((input1, input2), arguments => Module.forward(arguments.input1, arguments.input2), _own);

    /// <inheritdoc />
    public override void train(bool train = true) => Module.train(train);

    /// <inheritdoc />
    public override IEnumerable<(string name, Parameter parameter)> named_parameters(bool recurse = true) =>
        Module.named_parameters(recurse);

    /// <inheritdoc />
    public override IEnumerable<(string name, Tensor buffer)> named_buffers(
        bool recurse = true,
        bool include_nonpersistent = true
    ) => Module.named_buffers(recurse, include_nonpersistent);

    /// <inheritdoc />
    public override IEnumerable<(string name, nn.Module module)> named_children() => Module.named_children();

    /// <inheritdoc />
    public override IEnumerable<(string name, nn.Module module)> named_modules() => Module.named_modules();

    /// <inheritdoc />
    public override Dictionary<string, Tensor> state_dict(
        Dictionary<string, Tensor>? destination = null,
        string? prefix = null
    ) => Module.state_dict(destination, prefix);
}
