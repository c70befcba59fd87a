namespace NBit.Training.Callbacks;

/// <summary>The callbacks of a trainer: those that were given and those that it has anyway.</summary>
internal static class CallbackList
{
    /// <param name="given">The user's.</param>
    /// <param name="hasFolder">Whether the trainer has a folder, so that metrics and checkpoints are written.</param>
    /// <param name="logEveryNSteps">How often metrics are written.</param>
    /// <param name="enableProgressBar">Whether progress is shown.</param>
    /// <returns>All, the checkpoints last: they keep the state that the others have after the same event.</returns>
    public static List<Callback> Complete(
        IEnumerable<Callback> given,
        bool hasFolder,
        int logEveryNSteps,
        bool enableProgressBar
    )
    {
        List<Callback> callbacks = [.. given];
        if (hasFolder)
        {
            AddUnlessGiven(() => new CsvMetrics(logEveryNSteps));
            AddUnlessGiven(() => new ModelCheckpoint());
        }

        if (enableProgressBar)
        {
            AddUnlessGiven(() => new ProgressBar());
        }

        return
        [
            .. callbacks.Where(callback => callback is not ModelCheckpoint),
            .. callbacks.OfType<ModelCheckpoint>(),
        ];

        void AddUnlessGiven<T>(Func<T> make)
            where T : Callback
        {
            if (!callbacks.OfType<T>().Any())
            {
                callbacks.Add(make());
            }
        }
    }
}
