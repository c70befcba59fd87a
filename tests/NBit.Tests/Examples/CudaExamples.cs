using NBit.Native;

namespace NBit.Tests.Examples;

/// <summary>The code of docs/cuda.md, on machines with a GPU and without.</summary>
public sealed class CudaExamples
{
    [Test]
    public void A_context_says_what_is_missing()
    {
        // docs/cuda: context
        NativeContext? context = null;
        try
        {
            context = new NativeContext(nbit_device_kind.NBIT_DEVICE_KIND_CUDA, deviceIndex: 0);
        }
        catch (NotSupportedException error)
        {
            Console.WriteLine(error.Message); // no CUDA runtime was found, so there is no CUDA device. Install ...
        }
        // end
        using (context)
        {
            var found = CudaLibraries.Describe(nbit_cuda_library.NBIT_CUDA_LIBRARY_RUNTIME);
            Assert.That(context is null || found.StartsWith('/'), Is.True, found);
        }
    }

    [Test]
    public void A_library_is_described()
    {
        using var output = new StringWriter();
        var console = Console.Out;
        Console.SetOut(output);
        try
        {
            // docs/cuda: describe
            Console.WriteLine(CudaLibraries.Describe(nbit_cuda_library.NBIT_CUDA_LIBRARY_BITSANDBYTES));
            // end
        }
        finally
        {
            Console.SetOut(console);
        }

        Assert.That(output.ToString(), Does.StartWith("not used: ").Or.StartWith("/"));
    }

    [Test]
    public unsafe void What_is_not_supported_gives_a_reason()
    {
        fixed (byte* message = "no kernel"u8)
        {
            NativeStatus.ThrowIfFailed(Libnbit.nbit_error_set(message));
        }

        var status = (int)nbit_status.NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND;

        // docs/cuda: backend
        if (!NativeStatus.IsDone(status, out var reason))
        {
            Console.WriteLine(reason); // do the same with other operations
        }
        // end
        Assert.That(reason, Is.EqualTo("no kernel"));
    }
}
