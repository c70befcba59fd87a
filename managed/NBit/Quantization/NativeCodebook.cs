using System.Collections.Immutable;
using System.Runtime.InteropServices;
using NBit.Devices;
using NBit.Native;

namespace NBit.Quantization;

/// <summary>Owns an <c>nbit_codebook8</c>: 256 numbers, prepared for the search of the nearest one.</summary>
internal sealed unsafe class NativeCodebook : SafeHandle
{
    private NativeCodebook(nbit_codebook8* book)
        : base(0, ownsHandle: true) => SetHandle((nint)book);

    public override bool IsInvalid => handle == 0;

    public nbit_codebook8* Address => (nbit_codebook8*)handle;

    public ImmutableArray<float> Values
    {
        get
        {
            var values = new float[256];
            fixed (float* address = values)
            {
                NativeStatus.ThrowIfFailed(Libnbit.nbit_codebook8_get_values(Address, address));
            }

            return [.. values];
        }
    }

    public static NativeCodebook OfValues(ReadOnlySpan<float> values)
    {
        nbit_codebook8* book;
        fixed (float* address = values)
        {
            NativeStatus.ThrowIfFailed(Libnbit.nbit_codebook8_create(Contexts.Cpu.Address, address, &book));
        }

        return new(book);
    }

    public static NativeCodebook Dynamic(bool signed)
    {
        nbit_codebook8* book;
        NativeStatus.ThrowIfFailed(Libnbit.nbit_codebook8_create_dynamic(Contexts.Cpu.Address, signed ? 1 : 0, &book));
        return new(book);
    }

    protected override bool ReleaseHandle() =>
        Libnbit.nbit_codebook8_destroy((nbit_codebook8*)handle) == (int)nbit_status.NBIT_STATUS_OK;
}
