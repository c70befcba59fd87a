namespace NBit.Benchmarks.Measurement;

/// <summary>What a row should reach.</summary>
internal sealed class Target
{
    private readonly string _text;
    private readonly Func<Figures, (bool Reached, string Figure)> _judge;

    private Target(string text, Func<Figures, (bool Reached, string Figure)> judge) => (_text, _judge) = (text, judge);

    /// <summary>At least a share of a limit.</summary>
    public static Target ShareOf(string limit, double least) =>
        new(
            $"at least {least:0 %} of {limit}",
            figures => (figures.Share(limit).Median >= least, $"{figures.Share(limit).Median:0 %}")
        );

    /// <summary>At least so many times as fast as the peer.</summary>
    public static Target Speed(double least) =>
        new(
            $"at least {least:0.00} x the peer's speed",
            figures => (figures.Speed.Median >= least, $"{figures.Speed.Median:0.00} x")
        );

    /// <summary>At most so much more time than the peer: 0.05 for 5 %.</summary>
    public static Target MoreTime(double most) =>
        new(
            $"at most {most:0 %} more time",
            figures =>
                (figures.MoreTime.Median <= most, $"{Math.Round(figures.MoreTime.Median, 3) + 0.0:+0.0 %;-0.0 %}")
        );

    /// <summary>At most so many nanoseconds more than the peer.</summary>
    public static Target MoreNanoseconds(double most) =>
        new(
            $"at most {most:0} ns more",
            figures => (figures.MoreSeconds.Median * 1e9 <= most, $"{figures.MoreSeconds.Median * 1e9:+0;-0} ns")
        );

    /// <summary>This target and another one.</summary>
    public Target And(Target other) =>
        new(
            $"{_text}, and {other._text}",
            figures =>
            {
                var (mine, others) = (_judge(figures), other._judge(figures));
                return (mine.Reached && others.Reached, $"{mine.Figure} and {others.Figure}");
            }
        );

    /// <summary>Whether the figures reach it, and a text that says so.</summary>
    public (bool Reached, string Text) Judge(Figures figures)
    {
        var (reached, figure) = _judge(figures);
        return (reached, $"{_text}: {figure}, {(reached ? "reached" : "missed")}");
    }
}
