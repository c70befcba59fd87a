using System.Globalization;
using System.Runtime.InteropServices;
using NBit.Native;
using NBit.Testing;

namespace NBit.Tests.Examples;

/// <summary>The code of docs/pinvoke.md.</summary>
public sealed unsafe class PinvokeExamples
{
    private const int Float32 = (int)nbit_data_type.NBIT_DATA_TYPE_FLOAT32;

    [Test]
    public void The_whole_program_runs()
    {
        using var output = new StringWriter();
        var console = Console.Out;
        Console.SetOut(output);
        try
        {
            Example.FourBits.Run();
        }
        finally
        {
            Console.SetOut(console);
        }

        var lines = output.ToString().Split(Environment.NewLine);
        Assert.That(lines[0], Is.EqualTo("147456 bytes instead of 1048576")); // 4.5 bits a number instead of 32
        Assert.That(
            double.Parse(lines[1].Split(' ')[^1], CultureInfo.CurrentCulture),
            Is.GreaterThan(0).And.LessThan(0.2)
        );
    }

    [Test]
    public void Contexts()
    {
        // docs/pinvoke: contexts
        using var context = new NativeContext(threads: 0); // as many threads as the machine has processors
        context.Threads = 1; // calls run on the caller's thread
        // end
        Assert.That(context.Threads, Is.EqualTo(1));
    }

    [Test]
    public void Status_and_message()
    {
        using var context = new NativeContext();

        // docs/pinvoke: status
        var status = Libnbit.nbit_context_set_threads(context.Address, -1);
        byte* message;
        _ = Libnbit.nbit_error_message(&message);
        Console.WriteLine($"{(nbit_status)status}: {Marshal.PtrToStringUTF8((nint)message)}");
        // NBIT_STATUS_INVALID_ARGUMENT: threads is -1; allowed are 1 to 1024, or 0 for ...
        // end
        Assert.That((nbit_status)status, Is.EqualTo(nbit_status.NBIT_STATUS_INVALID_ARGUMENT));
        Assert.That(Marshal.PtrToStringUTF8((nint)message), Does.StartWith("threads is -1; allowed are 1 to "));
    }

    [TestCase(nbit_status.NBIT_STATUS_INVALID_ARGUMENT, typeof(ArgumentException))]
    [TestCase(nbit_status.NBIT_STATUS_OUT_OF_MEMORY, typeof(InsufficientMemoryException))]
    [TestCase(nbit_status.NBIT_STATUS_NOT_SUPPORTED, typeof(NotSupportedException))]
    [TestCase(nbit_status.NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND, typeof(BackendNotSupportedException))]
    [TestCase(nbit_status.NBIT_STATUS_INVALID_STATE, typeof(InvalidOperationException))]
    [TestCase(nbit_status.NBIT_STATUS_INTERNAL_ERROR, typeof(NativeException))]
    public void Each_status_is_an_exception_as_the_table_says(nbit_status status, Type exception)
    {
        Assert.That(() => NativeStatus.ThrowIfFailed((int)status), Throws.TypeOf(exception));
        var page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "pinvoke.md"));
        Assert.That(page, Does.Contain($"| `{status}` | `{exception.Name}` |"));
    }

    [Test]
    public void Casts()
    {
        using var context = new NativeContext();

        // docs/pinvoke: casts
        float[] numbers = [0.001f, -0.25f, 1, 3.14159f, -100];
        var codes = new byte[numbers.Length];
        float scale = 4,
            amax = 0;
        fixed (float* source = numbers)
        fixed (byte* target = codes)
        {
            NativeStatus.ThrowIfFailed(
                Libnbit.nbit_values_cast(
                    context.Address,
                    (int)nbit_data_type.NBIT_DATA_TYPE_FLOAT32,
                    source,
                    numbers.Length,
                    (int)nbit_data_type.NBIT_DATA_TYPE_FLOAT8_E4M3FN,
                    target,
                    &scale,
                    &amax
                )
            );
        }

        Console.WriteLine($"{Convert.ToHexString(codes)}, amax {amax}"); // 02B84855FC, amax 100
        // end
        Assert.That((Convert.ToHexString(codes), amax), Is.EqualTo(("02B84855FC", 100f)));
    }

    [Test]
    public void Blocks_of_8_bits()
    {
        using var context = new NativeContext();

        // docs/pinvoke: blocks
        var numbers = Enumerable.Range(0, 1000).Select(i => MathF.Sin(i)).ToArray();
        var (codes, absmax, back) = (new byte[1000], new float[4], new float[1000]);
        nbit_codebook8* book;
        NativeStatus.ThrowIfFailed(Libnbit.nbit_codebook8_create_dynamic(context.Address, is_signed: 1, &book));
        fixed (
            float* source = numbers,
                scales = absmax,
                target = back
        )
        fixed (byte* c = codes)
        {
            NativeStatus.ThrowIfFailed(
                Libnbit.nbit_blocks8_quantize(context.Address, book, Float32, source, 1000, blocksize: 256, c, scales)
            );
            NativeStatus.ThrowIfFailed(
                Libnbit.nbit_blocks8_dequantize(context.Address, book, c, scales, 1000, blocksize: 256, Float32, target)
            );
        }

        NativeStatus.ThrowIfFailed(Libnbit.nbit_codebook8_destroy(book));
        // end
        Assert.That(back, Is.EqualTo(numbers).Within(0.02));
    }

    [Test]
    public void Memory_is_counted()
    {
        // docs/pinvoke: memory
        long bytes,
            blocks;
        NativeStatus.ThrowIfFailed(Libnbit.nbit_memory_count(&bytes, &blocks));
        Console.WriteLine($"libnbit holds {bytes} bytes in {blocks} blocks");
        // end
        Assert.That((bytes, blocks), Is.GreaterThanOrEqualTo((0L, 0L)));
    }
}
