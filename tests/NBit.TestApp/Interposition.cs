using System.Runtime.InteropServices;
using NBit.Interop;
using static TorchSharp.torch;

namespace NBit.TestApp;

/// <summary>Touches NBit and TorchSharp in an order, and says whether linear layers go through NBit then.</summary>
internal static class Interposition
{
    public static int Run(string order)
    {
        switch (order)
        {
            case "nbit-first":
                NBitRuntime.Initialize();
                Forward();
                break;
            case "torchsharp-first":
                using (ones(2, 2))
                {
                    NBitRuntime.Initialize();
                }

                Forward();
                break;
            case "after-forward":
                Forward();
                break;
            case "other-resolver":
                NativeLibrary.SetDllImportResolver(LibTorchSharp.Assembly, static (_, _, _) => 0);
                break;
            case "library-only":
                // As on a system where TorchSharp loads by itself: the library is there, NBit is not in its place.
                LibTorchSharp.RegisterFallback();
                Forward();
                break;
            case "library-then-nbit":
                LibTorchSharp.RegisterFallback();
                using (ones(2, 2))
                {
                    NBitRuntime.Initialize();
                }

                Forward();
                break;
            default:
                throw new ArgumentException($"unknown order {order}");
        }

        try
        {
            NBitRuntime.Initialize();
        }
        catch (InvalidOperationException error)
        {
            Console.WriteLine($"refused: {error.Message}");
            return 0;
        }

        Console.WriteLine(
            $"linear {TorchSharpInterposition.InterceptsLinear}, grad mode {TorchSharpInterposition.InterceptsGradMode}"
        );
        return 0;
    }

    private static void Forward()
    {
        using var layer = nn.Linear(2, 2);
        using var input = ones(1, 2);
        using var output = layer.forward(input);
    }
}
