using System.Runtime.InteropServices;

namespace NBit.Training;

/// <summary>A request to end a fit: by a cancellation token, or by Ctrl-C (SIGINT) or SIGTERM.</summary>
/// <remarks>
/// A signal is held back until the loop has saved its state; then the process ends with the exit code that the signal
/// gives.
/// </remarks>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationToken _token;
    private readonly List<PosixSignalRegistration> _registrations = [];
    private int _signal; // its number, 0 for none

    public Interruption(bool handleSignals, CancellationToken token)
    {
        _token = token;
        if (handleSignals)
        {
            _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Hold(context, 2)));
            _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Hold(context, 15)));
        }
    }

    public bool IsRequested => Volatile.Read(ref _signal) != 0 || _token.IsCancellationRequested;

    /// <summary>Ends the process if a signal asked for it, else throws.</summary>
    /// <param name="beforeExit">What must still happen before the process ends.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public void End(Action beforeExit)
    {
        var signal = Volatile.Read(ref _signal);
        if (signal != 0)
        {
            beforeExit();
            Environment.Exit(128 + signal);
        }

        _token.ThrowIfCancellationRequested();
    }

    public void Dispose() => _registrations.ForEach(registration => registration.Dispose());

    // The second signal is not held back: it ends the process at once.
    private void Hold(PosixSignalContext context, int number) =>
        context.Cancel = Interlocked.CompareExchange(ref _signal, number, 0) == 0;
}
