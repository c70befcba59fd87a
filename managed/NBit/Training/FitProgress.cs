namespace NBit.Training;

/// <summary>Where a fit is. All of it is in a checkpoint.</summary>
internal sealed class FitProgress
{
    /// <summary>The current epoch, from 0.</summary>
    public int Epoch { get; set; }

    /// <summary>Batches of this epoch that are done.</summary>
    public int Batch { get; set; }

    /// <summary>Optimizer steps so far, skipped ones included.</summary>
    public long GlobalStep { get; set; }
}
