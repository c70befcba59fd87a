using Microsoft.Extensions.Logging;

namespace NBit.Logging;

/// <summary>
/// The logging of a process that configured none: warnings and worse, a line each, on standard error.
/// </summary>
internal sealed class StandardErrorLoggerFactory : ILoggerFactory
{
    public ILogger CreateLogger(string categoryName) => new StandardErrorLogger();

    public void AddProvider(ILoggerProvider provider) =>
        throw new NotSupportedException(
            $"NBit's default logging takes no providers; set {nameof(NBitRuntime)}.{nameof(NBitRuntime.LoggerFactory)} to a factory that has them"
        );

    public void Dispose() { }

    private sealed class StandardErrorLogger : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel is >= LogLevel.Warning and < LogLevel.None;

        public void Log<TState>(
            LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception? exception,
            Func<TState, Exception?, string> formatter
        )
        {
            if (IsEnabled(logLevel))
            {
                Console.Error.WriteLine(
                    $"NBit {(logLevel == LogLevel.Warning ? "warning" : "error")}: {formatter(state, exception)}"
                );
            }
        }
    }
}
