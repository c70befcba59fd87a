using System.Runtime.InteropServices;

namespace NBit.Native;

/// <summary>
/// Owns an <c>nbit_context</c>: the device, the stream and the number of threads that work is issued with.
/// </summary>
public sealed unsafe class NativeContext : SafeHandle
{
    /// <summary>Creates a context.</summary>
    /// <param name="kind">The kind of device.</param>
    /// <param name="deviceIndex">The device's ordinal; 0 for the CPU.</param>
    /// <param name="threads">The most threads that a call uses; 0 for as many as the machine has processors.</param>
    /// <exception cref="ArgumentException">An argument is outside what is allowed.</exception>
    /// <exception cref="NotSupportedException">There is no such device, or NBIT_ISA asks for what this CPU
    /// lacks.</exception>
    public NativeContext(
        nbit_device_kind kind = nbit_device_kind.NBIT_DEVICE_KIND_CPU,
        int deviceIndex = 0,
        int threads = 0
    )
        : base(0, ownsHandle: true)
    {
        nbit_context* context;
        NativeStatus.ThrowIfFailed(Libnbit.nbit_context_create((int)kind, deviceIndex, threads, &context));
        SetHandle((nint)context);
    }

    /// <inheritdoc />
    public override bool IsInvalid => handle == 0;

    /// <summary>The context, for calls into <see cref="Libnbit" /> while this object is alive.</summary>
    public nbit_context* Address
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return (nbit_context*)handle;
        }
    }

    /// <summary>
    /// The most threads that a call on this context uses; set 0 for as many as the machine has processors.
    /// </summary>
    public int Threads
    {
        get
        {
            int threads;
            NativeStatus.ThrowIfFailed(Libnbit.nbit_context_get_threads(Address, &threads));
            return threads;
        }
        set => NativeStatus.ThrowIfFailed(Libnbit.nbit_context_set_threads(Address, value));
    }

    /// <inheritdoc />
    protected override bool ReleaseHandle() =>
        Libnbit.nbit_context_destroy((nbit_context*)handle) == (int)nbit_status.NBIT_STATUS_OK;
}
