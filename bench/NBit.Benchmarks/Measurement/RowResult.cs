namespace NBit.Benchmarks.Measurement;

/// <summary>What the rounds of a row gave.</summary>
/// <param name="Name">The row's.</param>
/// <param name="Contenders">Each contender's figure in the family's unit, NBit's first.</param>
/// <param name="Speed">How many times as fast as the peer NBit is.</param>
/// <param name="Limits">NBit's share of each limit.</param>
/// <param name="Target">What should be reached, and what was; null where nothing was asked for.</param>
/// <param name="Reached">Whether it was.</param>
internal sealed record RowResult(
    string Name,
    IReadOnlyList<ContenderResult> Contenders,
    Spread Speed,
    IReadOnlyList<LimitResult> Limits,
    string? Target,
    bool? Reached
)
{
    public static RowResult Of(Family family, Row row, Trial trial, Figures figures)
    {
        (bool Reached, string Text)? target = row.Target?.Judge(figures);
        return new RowResult(
            row.Name,
            [
                .. trial
                    .Contenders.Index()
                    .Select(contender => new ContenderResult(
                        contender.Item.Name,
                        figures.Of(contender.Index, family.Unit)
                    )),
            ],
            figures.Speed,
            [
                .. trial
                    .Limits.Index()
                    .Select(limit => new LimitResult(
                        limit.Item.Name,
                        figures.Share(limit.Item.Name),
                        figures.Rate(limit.Index)
                    )),
            ],
            target?.Text,
            target?.Reached
        );
    }
}

/// <summary>A contender's figure.</summary>
internal sealed record ContenderResult(string Name, Spread Figure);

/// <summary>A limit as it was measured: so much a second, and NBit's share of it.</summary>
internal sealed record LimitResult(string Name, Spread Share, Spread Rate);

/// <summary>The results of a family.</summary>
/// <param name="Name">The family's.</param>
/// <param name="Title">What its rows have in common.</param>
/// <param name="Unit">The unit of the figures.</param>
/// <param name="Rows">The rows.</param>
/// <param name="OtherWork">How many cores other work took meanwhile; null where the system does not say.</param>
internal sealed record FamilyResult(
    string Name,
    string Title,
    string Unit,
    IReadOnlyList<RowResult> Rows,
    double? OtherWork
);

/// <summary>All that was measured in one run.</summary>
/// <param name="Machine">What it was measured on.</param>
/// <param name="Date">When, in UTC.</param>
/// <param name="Rounds">How often.</param>
/// <param name="Families">The families.</param>
internal sealed record Results(string Machine, DateTime Date, int Rounds, IReadOnlyList<FamilyResult> Families)
{
    /// <summary>A line that says how many targets were reached, and which were not.</summary>
    public string Summary
    {
        get
        {
            var judged = Families
                .SelectMany(family => family.Rows.Select(row => (Name: $"{family.Name} {row.Name}", row.Reached)))
                .Where(row => row.Reached is not null)
                .ToList();
            var missed = judged.Where(row => row.Reached is false).Select(row => row.Name).ToList();
            return missed.Count == 0
                ? $"Targets: all {judged.Count} reached"
                : $"Targets: {judged.Count - missed.Count} of {judged.Count} reached; missed by {string.Join("; ", missed)}";
        }
    }
}
