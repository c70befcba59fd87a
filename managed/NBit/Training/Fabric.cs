using NBit.Interop;
using NBit.Precision;
using NBit.Tensors;
using static TorchSharp.torch;

namespace NBit.Training;

/// <summary>A precision, for a training loop that you write yourself (Lightning Fabric).</summary>
/// <remarks>
/// <code>
/// using var fabric = new Fabric(precision: "bf16-mixed");
/// var (net, optimizer) = fabric.Setup(model, torch.optim.AdamW(model.parameters(), lr: 1e-3));
/// foreach (var (x, y) in batches)
/// {
///     optimizer.zero_grad();
///     var loss = nn.functional.cross_entropy(net.forward(x), y);
///     fabric.Backward(loss);
///     optimizer.step();
/// }
/// </code>
/// </remarks>
public sealed class Fabric : IDisposable
{
    private const string BackwardMessage =
        "The current strategy and precision selection requires you to call `fabric.Backward(loss)` instead of `loss.backward()`.";

    private readonly BackwardGuard? _guard;

    /// <summary>Chooses a device and a precision.</summary>
    /// <param name="precision">One of the strings or integers of <see cref="PrecisionInput" />; "32-true" if none is
    /// given.</param>
    /// <param name="plugin">A mode that was made already, instead of <paramref name="precision" />.</param>
    /// <param name="accelerator">"auto" (a GPU if there is one), "cpu" or "gpu".</param>
    /// <param name="devices">1, or the index of one device.</param>
    /// <exception cref="ArgumentException">An argument is not allowed, or both precision and plugin were
    /// given.</exception>
    /// <exception cref="NotSupportedException">There is no such device, or more than one was asked for.</exception>
    public Fabric(
        PrecisionInput precision = default,
        PrecisionMode? plugin = null,
        string accelerator = "auto",
        DevicesInput devices = default
    )
    {
        Device = DeviceSelection.Resolve(accelerator, devices);
        Precision = PrecisionModes.Resolve(precision, plugin, Device.type, nameof(Fabric));
        _guard = Precision.RequiresBackward ? new BackwardGuard(BackwardMessage) : null;
    }

    /// <summary>The precision.</summary>
    public PrecisionMode Precision { get; }

    /// <summary>The device that models and tensors are put on.</summary>
    public Device Device { get; }

    /// <summary>Converts a model in place, moves it to the device and wraps its forward.</summary>
    /// <typeparam name="T">The argument of its forward.</typeparam>
    /// <typeparam name="TResult">The result of its forward.</typeparam>
    /// <param name="model">The model.</param>
    /// <returns>The model whose forward casts its arguments and results; it has the same parameters.</returns>
    /// <exception cref="ArgumentException">It was set up already.</exception>
    public FabricModule<T, TResult> Setup<T, TResult>(nn.Module<T, TResult> model)
    {
        Prepare(model);
        return new FabricModule<T, TResult>(this, model);
    }

    /// <summary>Converts a model in place, moves it to the device and wraps its forward.</summary>
    /// <typeparam name="T1">The first argument of its forward.</typeparam>
    /// <typeparam name="T2">The second argument of its forward.</typeparam>
    /// <typeparam name="TResult">The result of its forward.</typeparam>
    /// <param name="model">The model.</param>
    /// <returns>The model whose forward casts its arguments and results; it has the same parameters.</returns>
    /// <exception cref="ArgumentException">It was set up already.</exception>
    public FabricModule<T1, T2, TResult> Setup<T1, T2, TResult>(nn.Module<T1, T2, TResult> model)
    {
        Prepare(model);
        return new FabricModule<T1, T2, TResult>(this, model);
    }

    /// <summary>Sets up a model and its optimizer.</summary>
    /// <typeparam name="T">The argument of its forward.</typeparam>
    /// <typeparam name="TResult">The result of its forward.</typeparam>
    /// <param name="model">The model.</param>
    /// <param name="optimizer">An optimizer of the model's parameters; they stay the same objects.</param>
    /// <returns>Both, wrapped.</returns>
    /// <exception cref="ArgumentException">One was set up already; nothing was changed.</exception>
    /// <exception cref="NotSupportedException">The precision cannot train with this optimizer; nothing was
    /// changed.</exception>
    public (FabricModule<T, TResult> Module, FabricOptimizer Optimizer) Setup<T, TResult>(
        nn.Module<T, TResult> model,
        optim.Optimizer optimizer
    )
    {
        CheckNew(model);
        var wrapped = Setup(optimizer); // refuses before the model is changed
        var net = Setup(model);
        OptimizerStates.Refresh(optimizer);
        return (net, wrapped);
    }

    /// <summary>Wraps an optimizer so that its step follows the precision.</summary>
    /// <param name="optimizer">The optimizer, made after its parameters were set up; to set up both, give them
    /// together.</param>
    /// <returns>The optimizer to call.</returns>
    /// <exception cref="ArgumentException">It was set up already.</exception>
    /// <exception cref="NotSupportedException">The precision cannot train with this optimizer.</exception>
    public FabricOptimizer Setup(optim.Optimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        if (optimizer is FabricOptimizer)
        {
            throw new ArgumentException(
                "the optimizer was set up already: pass the optimizer itself, once",
                nameof(optimizer)
            );
        }

        Precision.CheckOptimizer(optimizer, clipsGradients: false);
        return new FabricOptimizer(this, optimizer);
    }

    /// <summary>Begins the scope in which a forward runs: autocast, or this precision's default dtype.</summary>
    /// <returns>Ends the scope.</returns>
    public IDisposable Autocast() => Precision.ForwardContext();

    /// <summary>Begins a scope in which new tensors are made on the device, in this precision's dtype.</summary>
    /// <returns>Ends the scope.</returns>
    public IDisposable InitTensor() => new InitContext(Device, Precision.TensorInitContext, emptyInit: false);

    /// <summary>Begins a scope in which new modules are made on the device, in this precision's dtype.</summary>
    /// <param name="emptyInit">True to leave weights uninitialized, which saves time where they are loaded
    /// next.</param>
    /// <returns>Ends the scope.</returns>
    public IDisposable InitModule(bool emptyInit = false) =>
        new InitContext(Device, Precision.ModuleInitContext, emptyInit);

    /// <summary>Runs the backward pass; scales the loss first where the precision needs it.</summary>
    /// <param name="loss">The loss.</param>
    public void Backward(Tensor loss)
    {
        ArgumentNullException.ThrowIfNull(loss);
        var start = Precision.PreBackward(loss);
        try
        {
            if (_guard is null)
            {
                start.backward();
            }
            else
            {
                _guard.Allow(() => start.backward());
            }
        }
        finally
        {
            if (!ReferenceEquals(start, loss))
            {
                start.Dispose();
            }
        }
    }

    /// <summary>Clips the gradients of an optimizer's parameters, unscaled first.</summary>
    /// <param name="optimizer">The optimizer.</param>
    /// <param name="clipValue">The largest magnitude of an element; or null.</param>
    /// <param name="maxNorm">The largest norm of all gradients together; or null.</param>
    /// <param name="normType">The order of that norm.</param>
    /// <param name="errorIfNonfinite">Whether a norm that is infinite or NaN is an error. With float16's first scales
    /// it often is.</param>
    /// <returns>The norm before clipping, or null where elements were clipped.</returns>
    /// <exception cref="ArgumentException">Both limits were given, or none.</exception>
    /// <exception cref="InvalidOperationException">The norm is not finite, or the gradients were clipped since the last
    /// step already.</exception>
    /// <exception cref="NotSupportedException">The optimizer unscales its gradients by itself.</exception>
    public double? ClipGradients(
        optim.Optimizer optimizer,
        double? clipValue = null,
        double? maxNorm = null,
        double normType = 2,
        bool errorIfNonfinite = true
    )
    {
        if (clipValue is not null && maxNorm is not null)
        {
            throw new ArgumentException(
                "Only one of `clip_val` or `max_norm` can be set as this specifies the underlying clipping algorithm!",
                nameof(maxNorm)
            );
        }

        if (clipValue is null && maxNorm is null)
        {
            throw new ArgumentException(
                "You have to specify either `clip_val` or `max_norm` to do gradient clipping!",
                nameof(maxNorm)
            );
        }

        var inner = optimizer is FabricOptimizer wrapper
            ? wrapper.Optimizer
            : optimizer ?? throw new ArgumentNullException(nameof(optimizer));
        using var scope = NewDisposeScope(); // LBFGS makes its list of parameters anew
        Precision.UnscaleGradients(inner);
        if (maxNorm is { } norm)
        {
            return GradientClipping.ByNorm(inner.parameters(), norm, normType, errorIfNonfinite);
        }

        GradientClipping.ByValue(inner.parameters(), clipValue!.Value);
        return null;
    }

    /// <summary>The tensors of nested containers on the device.</summary>
    /// <typeparam name="T">A tensor, or nested tuples, lists, dictionaries and records with tensors.</typeparam>
    /// <param name="data">The tensors; not changed.</param>
    /// <returns>The same structure; tensors that are on the device already as they are.</returns>
    public T ToDevice<T>(T data) => TensorCasts.MoveTo(data, Device);

    /// <summary>Releases what the precision holds.</summary>
    public void Dispose()
    {
        _guard?.Dispose();
        (Precision as IDisposable)?.Dispose();
    }

    /// <summary>Runs a forward in this precision: arguments cast, results cast back and guarded.</summary>
    /// <param name="arguments">The arguments.</param>
    /// <param name="forward">The forward.</param>
    /// <param name="own">The model's own tensors, which it may return.</param>
    internal TResult Forward<TArguments, TResult>(
        TArguments arguments,
        Func<TArguments, TResult> forward,
        HashSet<Tensor> own
    )
    {
        var cast = Precision.ConvertInput(arguments);
        TResult? output = default;
        List<Tensor> kept = [];
        try
        {
            using (Precision.ForwardContext())
            {
                output = forward(cast);
            }

            var result = Precision.ConvertOutput(output);
            kept = TensorTree.Tensors(result);
            Guard(kept);
            return result;
        }
        finally
        {
            // The casts that were made on the way; autograd keeps what it needs of them.
            var keep = new HashSet<Tensor>(
                TensorTree.Tensors(arguments).Concat(kept),
                ReferenceEqualityComparer.Instance
            );
            foreach (
                var tensor in TensorTree
                    .Tensors((cast, output))
                    .Where(tensor => !keep.Contains(tensor) && !own.Contains(tensor))
            )
            {
                tensor.Dispose();
            }
        }
    }

    private static void CheckNew(nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (model is IFabricModule)
        {
            throw new ArgumentException("the model was set up already: pass the model itself, once", nameof(model));
        }
    }

    private void Guard(List<Tensor> outputs)
    {
        if (_guard is not null)
        {
            foreach (var tensor in outputs.Where(tensor => tensor.requires_grad))
            {
                _guard.Attach(tensor);
            }
        }
    }

    private void Prepare(nn.Module model)
    {
        CheckNew(model);
        Precision.ConvertModule(model);
        TensorCasts.MoveModule(model, Device);
    }
}
