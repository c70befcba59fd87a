using NBit.Benchmarks.Measurement;

namespace NBit.Benchmarks.Reports;

/// <summary><c>--check</c>: does each row's work once and compares it with a reference.</summary>
internal static class CheckReport
{
    /// <summary>Prints a line a row.</summary>
    /// <returns>Whether all are as they should be.</returns>
    public static bool Run(IReadOnlyList<Family> families)
    {
        var failed = 0;
        foreach (var (family, row) in families.SelectMany(family => family.Rows.Select(row => (family, row))))
        {
            try
            {
                Console.WriteLine($"passed  {family.Name} {row.Name}: {row.Check()}");
            }
            catch (CheckFailedException difference)
            {
                failed++;
                Console.WriteLine($"FAILED  {family.Name} {row.Name}: {difference.Message}");
            }
        }

        Console.WriteLine(failed == 0 ? "all rows passed" : $"{failed} rows failed");
        return failed == 0;
    }
}
