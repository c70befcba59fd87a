using System.CommandLine;
using System.Globalization;
using NBit.Cli;
using NBit.Cli.Commands;

// Numbers look the same everywhere; texts still need the system's knowledge of letters (accents, case).
CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;

Libtorch.Register();

var root = new RootCommand("N-bit precision for TorchSharp")
{
    InfoCommand.Create(),
    QuantizeCommand.Create(),
    InspectCommand.Create(),
    EmbedCommand.Create(),
    GenerateCommand.Create(),
    new Command("demo", "Train a small model in every precision") { DigitsCommand.Create() },
};
try
{
    return root.Parse(args).Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (Exception error) when (error is not OutOfMemoryException)
{
    // A fault that a user can mend has a message that says how; the stack trace is for whoever asks for it.
    Console.Error.WriteLine($"nbit: {error.Message}");
    if (Environment.GetEnvironmentVariable("NBIT_TRACE") is { Length: > 0 })
    {
        Console.Error.WriteLine(error);
    }

    return 1;
}
