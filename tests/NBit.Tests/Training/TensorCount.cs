using static TorchSharp.torch;

namespace NBit.Tests.Training;

/// <summary>Counts how many live tensors an action adds.</summary>
internal static class TensorCount
{
    public static void AssertChangedBy(long expected, Action action)
    {
        // Tensors that were dropped before must not be finalized, and so counted, in between.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var before = Tensor.TotalCount;
        action();
        Assert.That(Tensor.TotalCount - before, Is.EqualTo(expected), "live tensors added");
    }
}
