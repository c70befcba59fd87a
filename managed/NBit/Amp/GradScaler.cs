using NBit.Interop;
using NBit.Logging;
using NBit.Native;
using NBit.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Amp;

/// <summary>
/// Scales the loss so that float16 gradients do not vanish, and skips steps whose gradients overflowed
/// (torch.amp.GradScaler).
/// </summary>
/// <remarks>
/// A step is <c>scaler.Scale(loss).backward(); scaler.Step(optimizer); scaler.Update();</c>. To clip, call
/// <see cref="Unscale" /> before. The scale is divided by two (<see cref="BackoffFactor" />) when an infinity or NaN is
/// found, and multiplied by two (<see cref="GrowthFactor" />) after 2000 (<see cref="GrowthInterval" />) steps without
/// one. Master weights and their gradients are float32 (bfloat16 and float64 work, float16 gradients are refused). Not
/// thread-safe.
/// </remarks>
public sealed class GradScaler : IDisposable
{
    private const string CheckScaleFirst =
        "  This may indicate your script did not use scaler.scale(loss or outputs) earlier in the iteration.";

    private readonly Device _device;
    private readonly Dictionary<optim.Optimizer, OptimizerState> _optimizers = new(ReferenceEqualityComparer.Instance);
    private double _initialScale;
    private int _initialGrowthTracker;
    private Tensor? _scale,
        _growthTracker;
    private double _growthFactor,
        _backoffFactor;
    private int _growthInterval;

    /// <summary>Creates a scaler.</summary>
    /// <param name="deviceType">The device whose losses are scaled.</param>
    /// <param name="initScale">The scale at the start.</param>
    /// <param name="growthFactor">What the scale is multiplied by after <paramref name="growthInterval" /> steps
    /// without overflow; above 1.</param>
    /// <param name="backoffFactor">What the scale is multiplied by after an overflow; below 1.</param>
    /// <param name="growthInterval">Steps without overflow before the scale grows.</param>
    /// <param name="enabled">False to make every method a pass-through, so that one loop serves all modes.</param>
    /// <exception cref="ArgumentOutOfRangeException">A factor is outside its range.</exception>
    public GradScaler(
        DeviceType deviceType = DeviceType.CUDA,
        double initScale = 65536,
        double growthFactor = 2,
        double backoffFactor = 0.5,
        int growthInterval = 2000,
        bool enabled = true
    )
    {
        if (enabled && deviceType == DeviceType.CUDA && !cuda.is_available())
        {
            Log.Warning("GradScaler is enabled, but CUDA is not available.  Disabling.");
            enabled = false;
        }

        if (enabled)
        {
            TorchSharpInterposition.RequireLibrary();
        }

        _device = new Device(deviceType);
        Enabled = enabled;
        GrowthFactor = growthFactor;
        BackoffFactor = backoffFactor;
        GrowthInterval = growthInterval;
        _initialScale = initScale;
    }

    private enum Stage
    {
        Ready,
        Unscaled,
        Stepped,
    }

    /// <summary>Whether the scaler does anything.</summary>
    public bool Enabled { get; }

    /// <summary>What the scale is multiplied by after <see cref="GrowthInterval" /> steps without overflow.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is not above 1.</exception>
    public double GrowthFactor
    {
        get => _growthFactor;
        set => _growthFactor = Enabled ? CheckedGrowthFactor(value) : value;
    }

    /// <summary>What the scale is multiplied by after an overflow.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is not below 1.</exception>
    public double BackoffFactor
    {
        get => _backoffFactor;
        set => _backoffFactor = Enabled ? CheckedBackoffFactor(value) : value;
    }

    /// <summary>Steps without overflow before the scale grows.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is below 1.</exception>
    public int GrowthInterval
    {
        get => _growthInterval;
        set => _growthInterval = Enabled ? CheckedGrowthInterval(value) : value;
    }

    /// <summary>The current scale; 1 when not enabled. On CUDA this waits for the device.</summary>
    public double CurrentScale => !Enabled ? 1 : _scale?.item<float>() ?? _initialScale;

    /// <summary>Steps without overflow since the scale last changed. On CUDA this waits for the device.</summary>
    public int GrowthTracker => _growthTracker?.item<int>() ?? _initialGrowthTracker;

    /// <summary>Multiplies a loss, or the tensors in nested containers, by the scale.</summary>
    /// <typeparam name="T">A tensor, or an array, list, tuple, dictionary or record of tensors.</typeparam>
    /// <param name="outputs">The losses. A 0-dim float16 or bfloat16 loss comes back as float32, as PyTorch's type
    /// promotion has it.</param>
    /// <returns>New tensors in the same containers; the inputs themselves when not enabled.</returns>
    /// <exception cref="ArgumentException">There is no tensor in it.</exception>
    public T Scale<T>(T outputs)
    {
        if (!Enabled)
        {
            return outputs;
        }

        if (TensorTree.Tensors(outputs).Count == 0)
        {
            throw new ArgumentException("outputs must be a Tensor or an iterable of Tensors", nameof(outputs));
        }

        CreateScale();
        return TensorTree.Map(outputs, output => output * _scale!);
    }

    /// <summary>
    /// Divides the gradients of an optimizer's parameters by the scale, in place, and notes whether all are finite. To
    /// be called
    /// once between the backward pass and <see cref="Step" /> where the gradients are looked at or clipped.
    /// </summary>
    /// <param name="optimizer">The optimizer. Parameters without gradient are left out.</param>
    /// <exception cref="InvalidOperationException">
    /// It was called for this optimizer since the last <see cref="Update()" /> already, or after <see cref="Step" />,
    /// or nothing was scaled yet.
    /// </exception>
    /// <exception cref="ArgumentException">A gradient is float16.</exception>
    public void Unscale(optim.Optimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        if (!Enabled)
        {
            return;
        }

        RequireScale("unscale_");
        var state = StateOf(optimizer);
        switch (state.Stage)
        {
            case Stage.Unscaled:
                throw new InvalidOperationException(
                    "unscale_() has already been called on this optimizer since the last update()."
                );
            case Stage.Stepped:
                throw new InvalidOperationException("unscale_() is being called after step().");
        }

        UnscaleGradients(optimizer, state);
        state.Stage = Stage.Unscaled;
    }

    /// <summary>
    /// Steps the optimizer unless a gradient is infinite or NaN; unscales first if that was not done.
    /// </summary>
    /// <param name="optimizer">The optimizer.</param>
    /// <param name="closure">Not supported: a closure would have to be scaled and checked again inside the
    /// step.</param>
    /// <returns>
    /// What the optimizer's step returned; null where it was skipped. The gradients of a skipped step stay as they are.
    /// </returns>
    /// <exception cref="InvalidOperationException">
    /// A closure was given, <see cref="Step" /> was called since the last <see cref="Update()" /> already, no parameter
    /// has a gradient, or
    /// nothing was scaled yet.
    /// </exception>
    /// <exception cref="ArgumentException">A gradient is float16.</exception>
    public Tensor? Step(optim.Optimizer optimizer, Func<Tensor>? closure = null)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        if (!Enabled)
        {
            return optimizer.step(closure);
        }

        if (closure is not null)
        {
            throw new InvalidOperationException("Closure use is not currently supported if GradScaler is enabled.");
        }

        RequireScale("step");
        var state = StateOf(optimizer);
        if (state.Stage == Stage.Stepped)
        {
            throw new InvalidOperationException("step() has already been called since the last update().");
        }

        var unscalesItself = optimizer is IGradScalingOptimizer;
        if (state.Stage == Stage.Ready)
        {
            UnscaleGradients(optimizer, state, checkOnly: unscalesItself);
        }

        if (state.FoundInf.Count == 0)
        {
            throw new InvalidOperationException("No inf checks were recorded for this optimizer.");
        }

        var isUnscaled = state.Stage == Stage.Unscaled;
        state.Stage = Stage.Stepped;
        return unscalesItself ? StepScaled(optimizer, state, isUnscaled)
            : state.FoundInf.Values.Any(found => found.item<float>() > 0) ? null
            : optimizer.step();
    }

    /// <summary>Moves the scale: to be called once after the steps of all optimizers.</summary>
    /// <exception cref="InvalidOperationException">No gradients were checked since the last call.</exception>
    public void Update()
    {
        if (!Enabled)
        {
            return;
        }

        RequireScale("update");
        var found = _optimizers.Values.SelectMany(state => state.FoundInf.Values).ToList();
        if (found.Count == 0)
        {
            throw new InvalidOperationException("No inf checks were recorded prior to update.");
        }

        UpdateScale(found);
        ForgetOptimizers();
    }

    /// <summary>Sets the scale instead of moving it by the rules; the count of steps without overflow stays.</summary>
    /// <param name="newScale">The new scale.</param>
    /// <exception cref="InvalidOperationException">Nothing was scaled yet.</exception>
    public void Update(double newScale)
    {
        if (!Enabled)
        {
            return;
        }

        RequireScale("update");
        _scale!.fill_(newScale);
        ForgetOptimizers();
    }

    /// <summary>Sets the scale instead of moving it by the rules; the count of steps without overflow stays.</summary>
    /// <param name="newScale">The new scale: one element, without gradient.</param>
    /// <exception cref="ArgumentException">The tensor has more elements or requires grad.</exception>
    /// <exception cref="InvalidOperationException">Nothing was scaled yet.</exception>
    public void Update(Tensor newScale)
    {
        ArgumentNullException.ThrowIfNull(newScale);
        if (!Enabled)
        {
            return;
        }

        RequireScale("update");
        if (newScale.numel() != 1 || newScale.requires_grad)
        {
            throw new ArgumentException(
                "new_scale should be a float or a 1-element torch.cuda.FloatTensor or torch.FloatTensor with requires_grad=False.",
                nameof(newScale)
            );
        }

        using var flat = newScale.reshape([]);
        _scale!.copy_(flat);
        ForgetOptimizers();
    }

    /// <summary>
    /// The scaler's state: scale, growth_factor, backoff_factor, growth_interval and _growth_tracker; empty when not
    /// enabled.
    /// </summary>
    /// <returns>Names as in PyTorch, so that the state can be exchanged with it.</returns>
    public IReadOnlyDictionary<string, double> StateDict() =>
        !Enabled
            ? new Dictionary<string, double>(StringComparer.Ordinal)
            : new Dictionary<string, double>(StringComparer.Ordinal)
            {
                ["scale"] = CurrentScale,
                ["growth_factor"] = GrowthFactor,
                ["backoff_factor"] = BackoffFactor,
                ["growth_interval"] = GrowthInterval,
                ["_growth_tracker"] = GrowthTracker,
            };

    /// <summary>Restores a state; does nothing when not enabled. Where it throws, nothing was changed.</summary>
    /// <param name="state">What <see cref="StateDict" /> gave.</param>
    /// <exception cref="InvalidOperationException">The state is empty.</exception>
    /// <exception cref="KeyNotFoundException">The state lacks an entry.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A factor is outside its range.</exception>
    public void LoadStateDict(IReadOnlyDictionary<string, double> state)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (!Enabled)
        {
            return;
        }

        if (state.Count == 0)
        {
            throw new InvalidOperationException(
                "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler."
            );
        }

        double scale = Entry(state, "scale"),
            growth = CheckedGrowthFactor(Entry(state, "growth_factor"));
        double backoff = CheckedBackoffFactor(Entry(state, "backoff_factor"));
        int interval = CheckedGrowthInterval((int)Entry(state, "growth_interval")),
            tracker = (int)Entry(state, "_growth_tracker");
        (_growthFactor, _backoffFactor, _growthInterval) = (growth, backoff, interval);
        _initialScale = scale;
        _initialGrowthTracker = tracker;
        _scale?.fill_(scale);
        _growthTracker?.fill_(tracker);
    }

    /// <summary>Releases the scaler's tensors.</summary>
    public void Dispose()
    {
        ForgetOptimizers();
        _scale?.Dispose();
        _growthTracker?.Dispose();
        _scale = _growthTracker = null;
    }

    /// <summary>
    /// For each device that the optimizer has gradients on, 1 where one was infinite or NaN, else 0; for tests.
    /// </summary>
    internal IReadOnlyDictionary<string, float> FoundInf(optim.Optimizer optimizer) =>
        StateOf(optimizer)
            .FoundInf.ToDictionary(found => found.Key, found => found.Value.item<float>(), StringComparer.Ordinal);

    private static double CheckedGrowthFactor(double value) =>
        value > 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), value, "The growth factor must be > 1.0.");

    private static double CheckedBackoffFactor(double value) =>
        value < 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), value, "The backoff factor must be < 1.0.");

    private static int CheckedGrowthInterval(int value) =>
        value >= 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), value, "The growth interval must be >= 1.");

    private static double Entry(IReadOnlyDictionary<string, double> state, string key) =>
        state.TryGetValue(key, out var value)
            ? value
            : throw new KeyNotFoundException(
                $"'{key}' is missing in the state of a GradScaler; it has {string.Join(", ", state.Keys)}"
            );

    private void CreateScale()
    {
        _scale ??= Keep(tensor((float)_initialScale, device: _device));
        _growthTracker ??= Keep(tensor(_initialGrowthTracker, device: _device));
    }

    private void RequireScale(string method)
    {
        if (_scale is null)
        {
            throw new InvalidOperationException($"Attempted {method} but _scale is None.{CheckScaleFirst}");
        }
    }

    private OptimizerState StateOf(optim.Optimizer optimizer)
    {
        if (!_optimizers.TryGetValue(optimizer, out var state))
        {
            _optimizers.Add(optimizer, state = new OptimizerState());
        }

        return state;
    }

    private Tensor? StepScaled(optim.Optimizer optimizer, OptimizerState state, bool isUnscaled)
    {
        var scaling = (IGradScalingOptimizer)optimizer;
        using var found = Sum(state.FoundInf.Values);
        (scaling.GradScale, scaling.FoundInf) = (isUnscaled ? null : _scale, found);
        try
        {
            return optimizer.step();
        }
        finally
        {
            (scaling.GradScale, scaling.FoundInf) = (null, null);
        }
    }

    private unsafe void UnscaleGradients(optim.Optimizer optimizer, OptimizerState state, bool checkOnly = false)
    {
        using var scope = NewDisposeScope();
        var gradients = optimizer.parameters().Select(parameter => parameter.grad).OfType<Tensor>().ToList();
        if (!checkOnly && gradients.Exists(gradient => gradient.dtype == ScalarType.Float16))
        {
            throw new ArgumentException("Attempting to unscale FP16 gradients.", nameof(optimizer));
        }

        // The reciprocal in double, rounded once: what PyTorch multiplies by. By 1, libtorch only checks.
        var inverse = checkOnly
            ? ones_like(_scale!)
            : _scale!.to(ScalarType.Float64).reciprocal().to(ScalarType.Float32);
        foreach (var group in gradients.GroupBy(gradient => gradient.device.ToString(), StringComparer.Ordinal))
        {
            var device = group.First().device;
            if (!state.FoundInf.TryGetValue(group.Key, out var found))
            {
                state.FoundInf.Add(group.Key, found = Keep(tensor(0f, device: device)));
            }

            var handles = group.Select(gradient => gradient.Handle).ToArray();
            using var inverseThere = inverse.to(device);
            fixed (nint* pointers = handles)
            {
                NativeStatus.ThrowIfFailed(
                    LibnbitTorch.nbit_torch_gradients_unscale(
                        (void**)pointers,
                        handles.Length,
                        (void*)found.Handle,
                        (void*)inverseThere.Handle
                    )
                );
            }
        }
    }

    // On the scaler's device.
    private Tensor Sum(IEnumerable<Tensor> found)
    {
        using var scope = NewDisposeScope();
        return found
            .Select(flag => flag.to(_device))
            .Aggregate((left, right) => left.add(right))
            .MoveToOuterDisposeScope();
    }

    private unsafe void UpdateScale(List<Tensor> found)
    {
        using var sum = Sum(found);
        NativeStatus.ThrowIfFailed(
            LibnbitTorch.nbit_torch_scale_update(
                (void*)_scale!.Handle,
                (void*)_growthTracker!.Handle,
                (void*)sum.Handle,
                GrowthFactor,
                BackoffFactor,
                GrowthInterval
            )
        );
    }

    private void ForgetOptimizers()
    {
        foreach (var found in _optimizers.Values.SelectMany(state => state.FoundInf.Values))
        {
            found.Dispose();
        }

        _optimizers.Clear();
    }

    // The scaler's own tensors outlive the dispose scope of the step that makes them.
    private static Tensor Keep(Tensor tensor) => tensor.DetachFromDisposeScope();

    private sealed class OptimizerState
    {
        public Stage Stage { get; set; }

        public Dictionary<string, Tensor> FoundInf { get; } = new(StringComparer.Ordinal);
    }
}
