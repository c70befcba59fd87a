using Microsoft.Extensions.Logging;

namespace NBit.Testing;

/// <summary>Collects NBit's log while it is alive.</summary>
public sealed class CapturedLog : ILoggerFactory, ILogger
{
    private readonly ILoggerFactory _previous = NBitRuntime.LoggerFactory;
    private readonly Lock _gate = new();
    private readonly List<(LogLevel Level, string Message)> _entries = [];

    public CapturedLog() => NBitRuntime.LoggerFactory = this;

    public IReadOnlyList<string> Warnings => Messages(LogLevel.Warning);

    public IReadOnlyList<string> Information => Messages(LogLevel.Information);

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel,
        EventId eventId,
        TState state,
        Exception? exception,
        Func<TState, Exception?, string> formatter
    )
    {
        lock (_gate)
        {
            _entries.Add((logLevel, formatter(state, exception)));
        }
    }

    public void Dispose() => NBitRuntime.LoggerFactory = _previous;

    private List<string> Messages(LogLevel level)
    {
        lock (_gate)
        {
            return _entries.Where(entry => entry.Level == level).Select(entry => entry.Message).ToList();
        }
    }
}
