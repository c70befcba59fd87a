using System.CommandLine;
using System.Globalization;
using NBit.Checkpoints;
using NBit.Precision;
using Spectre.Console;
using static TorchSharp.torch;

namespace NBit.Cli.Commands;

/// <summary><c>nbit quantize</c>: a checkpoint in 4 or 8 bits.</summary>
internal static class QuantizeCommand
{
    private static readonly Dictionary<string, ScalarType> Dtypes = new(StringComparer.Ordinal)
    {
        ["bfloat16"] = ScalarType.BFloat16,
        ["float16"] = ScalarType.Float16,
        ["float32"] = ScalarType.Float32,
    };

    public static Command Create()
    {
        var input = new Argument<string>("IN")
        {
            Description = "A safetensors file, an index of shards, or a Hugging Face folder",
        };
        var output = new Argument<string>("OUT")
        {
            Description = "The file to write; for a Hugging Face folder, the folder",
        };
        var mode = new Option<string>("--mode")
        {
            Description = "How weights are held",
            DefaultValueFactory = _ => "nf4-dq",
        };
        mode.AcceptOnlyFromAmong([.. BitsandbytesPrecision.Modes.Where(name => name != "int8-training")]);
        var ignore = new Option<string[]>("--ignore")
        {
            Description = "Leave layers whose name begins so as they are; may be repeated",
            AllowMultipleArgumentsPerToken = true,
        };
        var dtype = new Option<string?>("--dtype")
        {
            Description = "What 4-bit layers will compute in (bfloat16 unless given; written to config.json)",
        };
        dtype.AcceptOnlyFromAmong([.. Dtypes.Keys]);
        var command = new Command("quantize", "Quantize the linear layers of a checkpoint, after bitsandbytes")
        {
            input,
            output,
            mode,
            ignore,
            dtype,
        };
        command.SetAction(parsed =>
            Run(
                parsed.GetValue(input)!,
                parsed.GetValue(output)!,
                new BitsandbytesPrecision(
                    parsed.GetValue(mode)!,
                    parsed.GetValue(dtype) is { } name ? Dtypes[name] : null,
                    parsed.GetValue(ignore)
                )
            )
        );
        return command;
    }

    private static void Run(string input, string output, BitsandbytesPrecision precision)
    {
        Libtorch.Require();
        var quantizer = new CheckpointQuantizer(precision);
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        var reports = console
            .Progress()
            .AutoClear(enabled: true)
            .Start(context =>
            {
                var task = context.AddTask("quantizing");
                return quantizer.Quantize(
                    input,
                    output,
                    (report, total) =>
                    {
                        task.MaxValue = total;
                        task.Description = Markup.Escape(report.Layer);
                        task.Increment(1);
                    }
                );
            });
        var table = new Table().Border(TableBorder.Rounded).AddColumns("layer", "weight");
        foreach (var column in (string[])["bytes before", "bytes after", "error"])
        {
            table.AddColumn(new TableColumn(column).RightAligned());
        }

        foreach (var report in reports)
        {
            table.AddRow(
                Markup.Escape(report.Layer),
                Markup.Escape($"[{string.Join(", ", report.Shape)}]"),
                Number(report.BytesBefore),
                Number(report.BytesAfter),
                $"{report.RelativeError:P2}"
            );
        }

        CommandTable.Write(table);
        var (before, after) = (reports.Sum(report => report.BytesBefore), reports.Sum(report => report.BytesAfter));
        Console.WriteLine(
            $"{reports.Count} layers in {precision.Name}: {Number(after)} bytes instead of {Number(before)}"
        );
    }

    private static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);
}
