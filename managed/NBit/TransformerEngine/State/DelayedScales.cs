using NBit.Devices;
using NBit.Native;
using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>The scales of a module's tensors in one direction, with the amaxes they come from.</summary>
internal sealed unsafe class DelayedScales : IDisposable
{
    /// <param name="slots">The number of tensors.</param>
    /// <param name="length">The rows of the history.</param>
    public DelayedScales(long slots, long length)
        : this(ones(slots, ScalarType.Float32), zeros(length, slots, ScalarType.Float32)) { }

    private DelayedScales(Tensor scale, Tensor history)
    {
        Scale = scale.DetachFromDisposeScope();
        AmaxHistory = history.DetachFromDisposeScope();
    }

    /// <summary>float32 [slots].</summary>
    public Tensor Scale { get; private set; }

    /// <summary>float32 [length, slots]: row 0 is the step that runs.</summary>
    public Tensor AmaxHistory { get; private set; }

    /// <summary>A copy, which the caller owns.</summary>
    public DelayedScales Clone() => new(Scale.clone(), AmaxHistory.clone());

    /// <summary>Takes the scales to the device of the tensors that are cast.</summary>
    public void MoveTo(Device device)
    {
        if (Scale.IsOn(device))
        {
            return;
        }

        using var scale = Scale;
        using var history = AmaxHistory;
        Scale = scale.to(device).DetachFromDisposeScope();
        AmaxHistory = history.to(device).DetachFromDisposeScope();
    }

    /// <summary>Another length of the history: its first rows stay, and zeros come behind them.</summary>
    public void Resize(long length)
    {
        var (old, slots) = (AmaxHistory.shape[0], AmaxHistory.shape[1]);
        if (old == length)
        {
            return;
        }

        using var scope = NewDisposeScope();
        var kept = AmaxHistory.narrow(0, 0, Math.Min(old, length));
        var resized = zeros(length, slots, ScalarType.Float32, AmaxHistory.device);
        resized.narrow(0, 0, kept.shape[0]).copy_(kept);
        AmaxHistory.Dispose();
        AmaxHistory = resized.DetachFromDisposeScope();
    }

    /// <summary>Takes what was saved.</summary>
    /// <param name="scale">float32 [slots].</param>
    /// <param name="history">float32 [any length, slots].</param>
    public void Load(Tensor scale, Tensor history)
    {
        Resize(history.shape[0]);
        Scale.copy_(scale);
        AmaxHistory.copy_(history);
    }

    /// <summary>A tensor's scale, [1], in the memory of all.</summary>
    public Tensor ScaleOf(int slot) => Scale.narrow(0, slot, 1);

    /// <summary>A tensor's newest amax, [1], in the memory of all.</summary>
    public Tensor AmaxOf(int slot) => AmaxHistory.view(-1).narrow(0, slot, 1);

    /// <summary>Ends a step: the newest amaxes enter the history, and the scales of the next step are made.</summary>
    /// <param name="recipe">How.</param>
    /// <param name="format">The format of the codes.</param>
    public void Update(DelayedScaling recipe, CodeFormat format)
    {
        using var grad = no_grad();
        if (recipe.IsCustom)
        {
            CustomScales.Update(this, recipe, ScaledCasts.Maximum(format));
        }
        else
        {
            Update(HistoryRule.Fused, recipe, format, AmaxHistory, Scale);
        }
    }

    /// <summary>The update by one of the native rules.</summary>
    public static void Update(HistoryRule rule, DelayedScaling recipe, CodeFormat format, Tensor history, Tensor scale)
    {
        var (length, slots) = (history.shape[0], history.shape[1]);
        using var historyMemory = DenseTensor.Target(history, nameof(history), ScalarType.Float32, length, slots);
        using var scaleMemory = DenseTensor.Target(scale, nameof(scale), ScalarType.Float32, slots);
        DeviceCall.Run(
            context =>
                Libnbit.nbit_amax_history_update(
                    context,
                    (int)rule,
                    (int)(
                        recipe.AmaxComputeAlgorithm == AmaxComputeAlgorithm.Max
                            ? nbit_amax_algorithm.NBIT_AMAX_ALGORITHM_MAX
                            : nbit_amax_algorithm.NBIT_AMAX_ALGORITHM_MOST_RECENT
                    ),
                    (int)format,
                    recipe.Margin,
                    (float*)historyMemory.Address,
                    length,
                    slots,
                    (float*)scaleMemory.Address
                ),
            historyMemory,
            scaleMemory
        );
    }

    public void Dispose()
    {
        Scale.Dispose();
        AmaxHistory.Dispose();
    }
}
