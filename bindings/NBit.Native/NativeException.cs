namespace NBit.Native;

/// <summary>A fault inside libnbit, or inside a library that it calls.</summary>
public sealed class NativeException : Exception
{
    /// <summary>Creates the exception.</summary>
    public NativeException() { }

    /// <summary>Creates the exception with a message.</summary>
    /// <param name="message">libnbit's message.</param>
    public NativeException(string message)
        : base(message) { }

    /// <summary>Creates the exception with a message and a cause.</summary>
    /// <param name="message">libnbit's message.</param>
    /// <param name="innerException">The cause.</param>
    public NativeException(string message, Exception innerException)
        : base(message, innerException) { }
}
