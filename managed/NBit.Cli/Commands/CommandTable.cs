using Spectre.Console;

namespace NBit.Cli.Commands;

/// <summary>Tables on standard output.</summary>
internal static class CommandTable
{
    private const int WidthInFiles = 160;

    /// <summary>Writes a table, as wide as the terminal, or wide enough for most names in a file.</summary>
    public static void Write(Table table)
    {
        if (Console.IsOutputRedirected)
        {
            AnsiConsole.Profile.Width = WidthInFiles;
        }

        AnsiConsole.Write(table);
    }
}
