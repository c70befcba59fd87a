using System.Text;

namespace NBit.Checkpoints;

/// <summary>Tensor names in messages: they come from files, so they may be long, or hold anything.</summary>
internal static class TensorNames
{
    private const int LongestQuote = 100;
    private const int Suggestions = 3;

    /// <summary>The name in quotes, on one line and not longer than a line.</summary>
    public static string Quote(string name)
    {
        var text = new StringBuilder("'");
        foreach (var character in name.AsSpan(0, Math.Min(name.Length, LongestQuote)))
        {
            text.Append(char.IsControl(character) ? $"\\u{(int)character:x4}" : character);
        }

        return text.Append(name.Length > LongestQuote ? "…'" : "'").ToString();
    }

    /// <summary>What to say about a name that is not there: the most similar names that are.</summary>
    public static string Hint(string name, IReadOnlyCollection<string> names)
    {
        var near = names
            .Select(candidate => (Name: candidate, Score: Similarity(name, candidate)))
            .Where(candidate => candidate.Score >= 0.5)
            .OrderByDescending(candidate => candidate.Score)
            .Take(Suggestions)
            .Select(candidate => Quote(candidate.Name))
            .ToArray();
        return near.Length > 0
            ? $"near names are {string.Join(", ", near)}"
            : $"none of the {names.Count} names is near";
    }

    // The share of the longer name that is a common beginning or a common end: names are dotted paths, and what is
    // wrong is a prefix, a number in the middle, or the last word. Linear, since a file may hold many and long names.
    private static double Similarity(string left, string right)
    {
        var beginning = left.AsSpan().CommonPrefixLength(right);
        var shorter = Math.Min(left.Length, right.Length);
        var end = 0;
        while (end < shorter - beginning && left[^(end + 1)] == right[^(end + 1)])
        {
            end++;
        }

        return (double)(beginning + end) / Math.Max(1, Math.Max(left.Length, right.Length));
    }
}
