namespace NBit.Benchmarks.Measurement;

/// <summary>One line of a table: one piece of work that NBit and a peer both do.</summary>
/// <param name="name">What is done.</param>
internal abstract class Row(string name)
{
    public string Name { get; } = name;

    /// <summary>What the row should reach, or null.</summary>
    public Target? Target { get; init; }

    /// <summary>Makes the memory and the contenders.</summary>
    public abstract Trial Prepare();

    /// <summary>Does the work once on little data and compares the result with a reference.</summary>
    /// <returns>What was compared.</returns>
    /// <exception cref="CheckFailedException">There is a difference.</exception>
    public abstract string Check();
}

/// <summary>Rows that one table shows: they have the same contenders, limits and unit.</summary>
/// <param name="Name">What <c>--filter</c> asks for.</param>
/// <param name="Title">What the rows have in common.</param>
/// <param name="Unit">The unit of the figures.</param>
/// <param name="Rows">The rows.</param>
internal sealed record Family(string Name, string Title, Unit Unit, IReadOnlyList<Row> Rows);

/// <summary>A row's result differs from its reference.</summary>
internal sealed class CheckFailedException : Exception
{
    public CheckFailedException() { }

    public CheckFailedException(string message)
        : base(message) { }

    public CheckFailedException(string message, Exception innerException)
        : base(message, innerException) { }
}
