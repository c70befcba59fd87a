namespace NBit.Training;

/// <summary>
/// A data source threw, gave no batch, or cannot be enumerated again; the message says in which epoch and at which
/// batch.
/// </summary>
public sealed class DataSourceException : Exception
{
    /// <summary>Creates the exception.</summary>
    public DataSourceException() { }

    /// <summary>Creates the exception with a message.</summary>
    /// <param name="message">What happened and what to do.</param>
    public DataSourceException(string message)
        : base(message) { }

    /// <summary>Creates the exception with a message and a cause.</summary>
    /// <param name="message">What happened and what to do.</param>
    /// <param name="innerException">What the source threw.</param>
    public DataSourceException(string message, Exception innerException)
        : base(message, innerException) { }
}
