namespace NBit.Training;

/// <summary>
/// A checkpoint does not fit what it is loaded into: another model, another optimizer, or no training checkpoint at
/// all.
/// </summary>
public sealed class CheckpointMismatchException : Exception
{
    /// <summary>Creates the exception.</summary>
    public CheckpointMismatchException() { }

    /// <summary>Creates the exception with a message.</summary>
    /// <param name="message">What does not fit, and what to do.</param>
    public CheckpointMismatchException(string message)
        : base(message) { }

    /// <summary>Creates the exception with a message and a cause.</summary>
    /// <param name="message">What does not fit, and what to do.</param>
    /// <param name="innerException">The cause.</param>
    public CheckpointMismatchException(string message, Exception innerException)
        : base(message, innerException) { }
}
