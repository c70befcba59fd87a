namespace NBit.Native;

/// <summary>
/// A native library of NBit's could not be loaded; the message lists each place that was tried and why it failed.
/// </summary>
public sealed class NativeLibraryNotFoundException : DllNotFoundException
{
    /// <summary>Creates the exception.</summary>
    public NativeLibraryNotFoundException() { }

    /// <summary>Creates the exception with a message.</summary>
    /// <param name="message">What was searched and what to do.</param>
    public NativeLibraryNotFoundException(string message)
        : base(message) { }

    /// <summary>Creates the exception with a message and a cause.</summary>
    /// <param name="message">What was searched and what to do.</param>
    /// <param name="innerException">The cause.</param>
    public NativeLibraryNotFoundException(string message, Exception innerException)
        : base(message, innerException) { }
}
