namespace NBit.HardeningTests.Readers;

/// <summary>A reader took an input and made something of it that does not hold together.</summary>
internal sealed class InconsistentException(string what) : Exception(what);
