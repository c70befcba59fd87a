namespace NBit.Checkpoints;

/// <summary>
/// A file is no valid safetensors file. The message names the file, the tensor or the byte, and says what was found and
/// what is allowed.
/// </summary>
public sealed class SafetensorsFormatException : FormatException
{
    /// <summary>Creates the exception.</summary>
    public SafetensorsFormatException() { }

    /// <summary>Creates the exception with a message.</summary>
    /// <param name="message">Where, what was found, what is allowed.</param>
    public SafetensorsFormatException(string message)
        : base(message) { }

    /// <summary>Creates the exception with a message and a cause.</summary>
    /// <param name="message">Where, what was found, what is allowed.</param>
    /// <param name="innerException">The cause.</param>
    public SafetensorsFormatException(string message, Exception? innerException)
        : base(message, innerException) { }

    /// <summary>Creates the exception for a place in a file.</summary>
    /// <param name="file">The file's name; null for bytes that come from no file.</param>
    /// <param name="place">A byte, a tensor, or both.</param>
    /// <param name="problem">What was found and what is allowed.</param>
    /// <param name="cause">The exception behind it, if any.</param>
    internal static SafetensorsFormatException At(
        string? file,
        string place,
        string problem,
        Exception? cause = null
    ) => new($"{(file is null ? "" : $"{file}: ")}{place}: {problem}", cause);
}
