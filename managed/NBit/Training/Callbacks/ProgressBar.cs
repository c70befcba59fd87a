using System.Diagnostics;
using NBit.Logging;
using Spectre.Console;

namespace NBit.Training.Callbacks;

/// <summary>Shows how a fit goes on, on standard error: a live bar in a terminal, a line an epoch elsewhere.</summary>
public sealed class ProgressBar : Callback
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);
    private readonly IAnsiConsole _console = AnsiConsole.Create(
        new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) }
    );
    private readonly Stopwatch _clock = new();
    private ProgressTask? _bar;
    private TaskCompletionSource _ready = new(),
        _done = new();
    private Task? _display;
    private TimeSpan _shown;
    private long _batches;

    private bool IsLive => !Console.IsErrorRedirected && _console.Profile.Capabilities.Interactive;

    /// <inheritdoc />
    public override void OnFitStart(Trainer trainer)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        _batches = 0;
        _shown = TimeSpan.Zero;
        _clock.Restart();
        if (IsLive)
        {
            (_ready, _done) = (new TaskCompletionSource(), new TaskCompletionSource());
            _display = Task.Run(() => Display(trainer));
            Task.WaitAny(_ready.Task, _display); // a display that fails is reported at the end, and stops nothing
        }
    }

    /// <inheritdoc />
    public override void OnTrainBatchEnd(Trainer trainer, bool steppedOptimizer)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        _batches++;
        if (_bar is not null && _clock.Elapsed - _shown >= Interval)
        {
            Show(trainer, trainer.CurrentEpoch);
        }
    }

    /// <inheritdoc />
    public override void OnTrainEpochEnd(Trainer trainer, IReadOnlyDictionary<string, double> metrics)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        if (_bar is null)
        {
            _console.WriteLine(Describe(trainer, trainer.CurrentEpoch - 1));
        }
        else
        {
            Show(trainer, trainer.CurrentEpoch - 1);
        }
    }

    /// <inheritdoc />
    public override void OnFitEnd(Trainer trainer)
    {
        _done.TrySetResult();
        try
        {
            _display?.Wait();
        }
        catch (AggregateException error)
        {
            Log.Warning($"progress could not be shown: {error.InnerException?.Message}");
        }

        (_bar, _display) = (null, null);
    }

    // The bar lives on a thread of its own, since its library wants to own the loop.
    private void Display(Trainer trainer) =>
        _console
            .Progress()
            .Columns(
                new ProgressBarColumn { Width = 20 },
                new PercentageColumn(),
                new TaskDescriptionColumn { Alignment = Justify.Left }
            )
            .Start(context =>
            {
                _bar = context.AddTask("training", maxValue: trainer.BatchesPerEpoch ?? double.NaN);
                _bar.IsIndeterminate = trainer.BatchesPerEpoch is null;
                _ready.SetResult();
                _done.Task.Wait();
            });

    private void Show(Trainer trainer, int epoch)
    {
        _shown = _clock.Elapsed;
        _bar!.Value = epoch == trainer.CurrentEpoch ? trainer.CurrentBatch : trainer.BatchesPerEpoch ?? 0;
        _bar.Description = Markup.Escape(Describe(trainer, epoch));
    }

    private string Describe(Trainer trainer, int epoch)
    {
        var speed = _batches / Math.Max(_clock.Elapsed.TotalSeconds, 1e-9);
        var metrics = string.Concat(
            trainer.ProgressBarMetrics.Select(metric => $"  {metric.Name} {metric.Value:0.####}")
        );
        return string.Create(
            System.Globalization.CultureInfo.InvariantCulture,
            $"epoch {epoch + 1}  step {trainer.GlobalStep}  {speed:0.#} batches/s{metrics}"
        );
    }
}
