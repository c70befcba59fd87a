namespace NBit.Models;

/// <summary>
/// A model folder's files do not make a model: a field of config.json is missing or wrong, a tensor is missing or of
/// another shape. The message names the file and the field or tensor, and says what is allowed.
/// </summary>
public sealed class ModelFormatException : FormatException
{
    /// <summary>Creates the exception.</summary>
    public ModelFormatException() { }

    /// <summary>Creates the exception with a message.</summary>
    /// <param name="message">Where, what was found, what is allowed.</param>
    public ModelFormatException(string message)
        : base(message) { }

    /// <summary>Creates the exception with a message and a cause.</summary>
    /// <param name="message">Where, what was found, what is allowed.</param>
    /// <param name="innerException">The cause.</param>
    public ModelFormatException(string message, Exception? innerException)
        : base(message, innerException) { }
}
