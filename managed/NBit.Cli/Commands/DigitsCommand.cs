using System.CommandLine;
using System.Text.Json;
using NBit.Cli.Demo;
using NBit.Precision;
using Spectre.Console;

namespace NBit.Cli.Commands;

/// <summary>
/// <c>nbit demo digits</c>: trains a small model on handwritten digits in every precision and compares them.
/// </summary>
internal static class DigitsCommand
{
    private static readonly string[] ScaledModes =
    [
        .. PrecisionModes.Names.Where(name => name.StartsWith("transformer-engine", StringComparison.Ordinal)),
    ];

    public static Command Create()
    {
        var modes = new Option<string[]>("--mode")
        {
            Description = $"Train in this precision only; may be repeated ({string.Join(", ", PrecisionModes.Names)})",
            AllowMultipleArgumentsPerToken = true,
        };
        modes.AcceptOnlyFromAmong([.. PrecisionModes.Names]);
        var optimizers = new Option<string[]>("--optimizer")
        {
            Description = $"Train by this optimizer; may be repeated ({string.Join(", ", DigitsOptimizers.Names)})",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => [DigitsOptimizers.Default],
        };
        optimizers.AcceptOnlyFromAmong([.. DigitsOptimizers.Names]);
        var epochs = new Option<int>("--epochs") { Description = "Epochs of training", DefaultValueFactory = _ => 25 };
        var seed = new Option<long>("--seed")
        {
            Description = "Seed of the weights, the order and dropout",
            DefaultValueFactory = _ => 1,
        };
        var epsilon = new Option<double>("--eps")
        {
            Description = "Adam's epsilon",
            DefaultValueFactory = _ => DigitsOptimizers.Epsilon,
        };
        var plot = new Option<FileInfo>("--plot")
        {
            Description = "Where to save the loss curves (PNG)",
            DefaultValueFactory = _ => new FileInfo("digits-loss.png"),
        };
        var scales = new Option<FileInfo?>("--scales")
        {
            Description =
                "Where to save the scales and amaxes of the hidden layer over the run (PNG, and JSON beside it); takes "
                + $"one --mode of {string.Join(", ", ScaledModes)}",
        };
        var json = new Option<bool>("--json") { Description = "Print JSON alone" };
        var command = new Command("digits", "Train on 1,797 handwritten digits in every precision and compare")
        {
            modes,
            optimizers,
            epochs,
            seed,
            epsilon,
            plot,
            scales,
            json,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(scales) is null)
            {
                return;
            }

            var (chosen, by) = (result.GetValue(modes)!, result.GetValue(optimizers)!);
            if (chosen is not [var only] || !ScaledModes.Contains(only) || by.Length > 1)
            {
                result.AddError(
                    $"--scales draws a layer over one run: give one --mode of {string.Join(", ", ScaledModes)} and one "
                        + $"--optimizer; given are {chosen.Length} modes ({string.Join(", ", chosen)}) and "
                        + $"{by.Length} optimizers"
                );
            }
        });
        command.SetAction(parsed =>
            Run(
                Runs(parsed.GetValue(modes)!, parsed.GetValue(optimizers)!),
                new DigitsDemo(parsed.GetValue(epochs), parsed.GetValue(seed), parsed.GetValue(epsilon)),
                parsed.GetValue(plot)!,
                parsed.GetValue(scales),
                parsed.GetValue(json)
            )
        );
        return command;
    }

    // Where no mode is asked for, those that the optimizer takes.
    private static IEnumerable<(string Mode, string Optimizer)> Runs(string[] modes, string[] optimizers) =>
        from mode in modes.Length > 0 ? modes : PrecisionModes.Names
        from optimizer in optimizers
        where modes.Length > 0 || DigitsOptimizers.Takes(optimizer, mode)
        select (mode, optimizer);

    private static void Run(
        IEnumerable<(string Mode, string Optimizer)> runs,
        DigitsDemo demo,
        FileInfo plot,
        FileInfo? scales,
        bool json
    )
    {
        Libtorch.Require();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        var results = new List<DigitsResult>();
        foreach (var (mode, optimizer) in runs)
        {
            if (!json)
            {
                console.WriteLine($"training in {mode} by {optimizer}");
            }

            demo.WarmUp(mode, optimizer);
            results.Add(demo.Run(mode, optimizer));
        }

        LossChart.Save(plot, results);
        if (scales is not null)
        {
            ScaleChart.Save(scales, DigitsModule.ScaledLayer, results[^1].Scales);
        }

        if (json)
        {
            Console.WriteLine(JsonSerializer.Serialize(results.Select(result => result.Summary), CommandJson.Document));
            return;
        }

        var table = new Table()
            .Border(TableBorder.Markdown)
            .AddColumn("mode")
            .AddColumn("test accuracy")
            .AddColumn("final loss")
            .AddColumn("weight bytes")
            .AddColumn("optimizer bytes")
            .AddColumn("samples/s");
        foreach (var summary in results.Select(result => result.Summary))
        {
            table.AddRow(
                summary.Name,
                $"{summary.TestAccuracy:P2}",
                $"{summary.FinalLoss:0.0000}",
                $"{summary.WeightBytes:N0}",
                $"{summary.OptimizerBytes:N0}",
                $"{summary.SamplesPerSecond:N0}"
            );
        }

        CommandTable.Write(table);
        console.WriteLine($"loss curves: {plot.FullName}");
        if (scales is not null)
        {
            console.WriteLine($"scales: {scales.FullName}, {ScaleChart.NumbersOf(scales).FullName}");
        }
    }
}
