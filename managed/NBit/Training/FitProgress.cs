namespace NBit.Training;

/// <summary>Where a fit is. All of it is in a checkpoint.</summary>
internal sealed class FitProgress
{
    /// <summary>The current epoch, from 0.</summary>
    public int Epoch { get; set; }

    /// <summary>
    /// Whether the epoch was ended before its last batch, by a limit or a callback. Hooks see it as over; a checkpoint
    /// keeps it as the current one, so that a run that continues begins with its next batch.
    /// </summary>
    public bool IsBrokenOff { get; set; }

    /// <summary>Batches of this epoch that are done.</summary>
    public int Batch { get; set; }

    /// <summary>Optimizer steps so far, skipped ones included.</summary>
    public long GlobalStep { get; set; }
}
