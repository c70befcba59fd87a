using System.Runtime.InteropServices;

namespace NBit.Native;

/// <summary>Turns the status that a function of libnbit returns into an exception.</summary>
public static unsafe class NativeStatus
{
    /// <summary>Returns if the status is success, else throws what it stands for with libnbit's message.</summary>
    /// <param name="status">What a function of <see cref="Libnbit" /> or <see cref="LibnbitTorch" /> returned, on this
    /// thread.</param>
    /// <exception cref="ArgumentException">An argument was outside what is allowed.</exception>
    /// <exception cref="OutOfMemoryException">Native memory could not be had.</exception>
    /// <exception cref="NotSupportedException">This machine, or a library on it, cannot do what was asked.</exception>
    /// <exception cref="BackendNotSupportedException">The device of the context has no kernel for it.</exception>
    /// <exception cref="InvalidOperationException">The call is not allowed in this state.</exception>
    /// <exception cref="NativeException">A fault inside the library or one that it calls.</exception>
    public static void ThrowIfFailed(int status)
    {
        if (status != (int)nbit_status.NBIT_STATUS_OK)
        {
            throw ToException((nbit_status)status, LastMessage());
        }
    }

    /// <summary>
    /// Whether a call was done. It was not where the device of its context has no kernel for it, which is never so on
    /// the CPU: the caller then does the same by other operations. Every other failure is thrown.
    /// </summary>
    /// <param name="status">What a function of <see cref="Libnbit" /> returned, on this thread.</param>
    /// <param name="reason">Empty if it was done, else why it was not.</param>
    /// <returns>True for success, false for <see cref="nbit_status.NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND" />.</returns>
    /// <exception cref="Exception">As <see cref="ThrowIfFailed" />.</exception>
    public static bool IsDone(int status, out string reason)
    {
        reason = "";
        if (status == (int)nbit_status.NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND)
        {
            reason = LastMessage();
            return false;
        }

        ThrowIfFailed(status);
        return true;
    }

    private static string LastMessage()
    {
        byte* message = null;
        _ = Libnbit.nbit_error_message(&message);
        return Marshal.PtrToStringUTF8((nint)message) ?? "";
    }

    private static Exception ToException(nbit_status status, string message) =>
        status switch
        {
            nbit_status.NBIT_STATUS_INVALID_ARGUMENT => new ArgumentException(message),
            nbit_status.NBIT_STATUS_OUT_OF_MEMORY => new InsufficientMemoryException(message),
            nbit_status.NBIT_STATUS_NOT_SUPPORTED => new NotSupportedException(message),
            nbit_status.NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND => new BackendNotSupportedException(message),
            nbit_status.NBIT_STATUS_INVALID_STATE => new InvalidOperationException(message),
            _ => new NativeException(message),
        };
}
