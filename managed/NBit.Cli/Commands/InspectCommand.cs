using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using NBit.Checkpoints;
using Spectre.Console;

namespace NBit.Cli.Commands;

/// <summary><c>nbit inspect</c>: what a checkpoint holds, and in how many bits.</summary>
internal static class InspectCommand
{
    private const int BitsPerByte = 8;

    public static Command Create()
    {
        var path = new Argument<string>("PATH")
        {
            Description = "A safetensors file, an index of shards, or a folder with one or the other",
        };
        var json = new Option<bool>("--json") { Description = "Print JSON alone" };
        var command = new Command("inspect", "Show a checkpoint's tensors and quantized layers; its data is not read")
        {
            path,
            json,
        };
        command.SetAction(parsed => Run(parsed.GetValue(path)!, parsed.GetValue(json)));
        return command;
    }

    private static void Run(string path, bool json)
    {
        using var tensors = TensorSource.Open(path);
        var contents = Contents.Of(tensors);
        if (json)
        {
            Console.WriteLine(JsonSerializer.Serialize(contents, CommandJson.Document));
            return;
        }

        var table = new Table().Border(TableBorder.Rounded).AddColumns("tensor", "dtype", "shape");
        table.AddColumn(new TableColumn("bytes").RightAligned());
        foreach (var tensor in contents.Tensors)
        {
            table.AddRow(Markup.Escape(tensor.Name), tensor.Dtype, ShapeText(tensor.Shape), Number(tensor.Bytes));
        }

        CommandTable.Write(table);
        if (contents.QuantizedLayers.Count > 0)
        {
            WriteLayers(contents.QuantizedLayers);
        }

        AnsiConsole.WriteLine(
            $"{contents.Tensors.Count} tensors, {Number(contents.Parameters)} parameters in {Number(contents.Bytes)} "
                + $"bytes: {contents.BitsPerParameter:0.00} bits each"
        );
    }

    private static void WriteLayers(IReadOnlyList<LayerRow> layers)
    {
        var table = new Table().Border(TableBorder.Rounded).AddColumns("quantized layer", "format", "weight");
        table.AddColumn(new TableColumn("bytes").RightAligned());
        table.AddColumn(new TableColumn("bits per parameter").RightAligned());
        foreach (var layer in layers)
        {
            table.AddRow(
                Markup.Escape(layer.Name),
                Markup.Escape(layer.Format),
                ShapeText(layer.Shape),
                Number(layer.Bytes),
                $"{layer.BitsPerParameter:0.00}"
            );
        }

        CommandTable.Write(table);
    }

    private static string ShapeText(IReadOnlyList<long> shape) => Markup.Escape($"[{string.Join(", ", shape)}]");

    private static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    private static double Bits(long bytes, long parameters) =>
        parameters == 0 ? 0 : (double)bytes * BitsPerByte / parameters;

    private sealed record TensorRow(string Name, string Dtype, IReadOnlyList<long> Shape, long Bytes);

    private sealed record LayerRow(
        string Name,
        string Format,
        IReadOnlyList<long> Shape,
        long Bytes,
        double BitsPerParameter
    );

    // Scales, maps and states are no parameters: they are part of what a quantized one costs.
    private sealed record Contents(
        IReadOnlyList<TensorRow> Tensors,
        IReadOnlyList<LayerRow> QuantizedLayers,
        long Parameters,
        long Bytes,
        double BitsPerParameter,
        IReadOnlyDictionary<string, string> Metadata
    )
    {
        public static Contents Of(TensorSource tensors)
        {
            var layers = QuantizedLayer.Find(tensors);
            var quantized = layers
                .SelectMany(layer => layer.Tensors.Select(entry => entry.Name))
                .ToHashSet(StringComparer.Ordinal);
            var parameters =
                layers.Sum(layer => layer.ElementCount)
                + tensors.Entries.Where(entry => !quantized.Contains(entry.Name)).Sum(entry => entry.ElementCount);
            var bytes = tensors.Entries.Sum(entry => entry.ByteCount);
            return new(
                [
                    .. tensors.Entries.Select(entry => new TensorRow(
                        entry.Name,
                        entry.DataType.Code(),
                        entry.Shape,
                        entry.ByteCount
                    )),
                ],
                [
                    .. layers.Select(layer => new LayerRow(
                        layer.Name,
                        layer.Format,
                        layer.Shape,
                        layer.ByteCount,
                        Bits(layer.ByteCount, layer.ElementCount)
                    )),
                ],
                parameters,
                bytes,
                Bits(bytes, parameters),
                tensors.Metadata
            );
        }
    }
}
