namespace NBit.Native;

/// <summary>
/// The device of a context has no kernel for what was asked, or the library that has it was not found; nothing was
/// changed. Other operations can do the same.
/// </summary>
public sealed class BackendNotSupportedException : NotSupportedException
{
    /// <summary>Creates the exception.</summary>
    public BackendNotSupportedException() { }

    /// <summary>Creates the exception with a message.</summary>
    /// <param name="message">libnbit's message.</param>
    public BackendNotSupportedException(string message)
        : base(message) { }

    /// <summary>Creates the exception with a message and a cause.</summary>
    /// <param name="message">libnbit's message.</param>
    /// <param name="innerException">The cause.</param>
    public BackendNotSupportedException(string message, Exception innerException)
        : base(message, innerException) { }
}
