using static TorchSharp.torch;

namespace NBit.Tests.Checkpoints;

/// <summary>Counts TorchSharp's live tensors around what must leave none behind.</summary>
internal static class LiveTensors
{
    public static void AssertUnchangedBy(Action action)
    {
        // Tensors that other tests dropped must not be finalized, and so counted, in between.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var before = Tensor.TotalCount;
        action();
        Assert.That(Tensor.TotalCount, Is.EqualTo(before), "live tensors");
    }
}
