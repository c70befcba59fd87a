namespace NBit.Training;

/// <summary>A loss is NaN or infinite, and the trainer was told to detect anomalies.</summary>
public sealed class NonFiniteLossException : Exception
{
    /// <summary>Creates the exception.</summary>
    public NonFiniteLossException() { }

    /// <summary>Creates the exception with a message.</summary>
    /// <param name="message">Which loss, and what to do.</param>
    public NonFiniteLossException(string message)
        : base(message) { }

    /// <summary>Creates the exception with a message and a cause.</summary>
    /// <param name="message">Which loss, and what to do.</param>
    /// <param name="innerException">The cause.</param>
    public NonFiniteLossException(string message, Exception innerException)
        : base(message, innerException) { }
}
