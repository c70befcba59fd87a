using System.CommandLine;
using System.Text.Json;
using NBit.Models;
using Spectre.Console;
using static TorchSharp.torch;

namespace NBit.Cli.Commands;

/// <summary><c>nbit embed</c>: texts to vectors, or a table of how similar they are.</summary>
internal static class EmbedCommand
{
    private const int Batch = 32;

    public static Command Create()
    {
        var model = ModelOptions.Model();
        var dtype = ModelOptions.Dtype();
        var similarity = new Option<bool>("--similarity")
        {
            Description = "Print a table of cosines instead of the vectors",
        };
        var texts = new Argument<string[]>("TEXT") { Description = "The texts", Arity = ArgumentArity.OneOrMore };
        var command = new Command("embed", "Embed texts with a BERT; one line of JSON each")
        {
            model,
            dtype,
            similarity,
            texts,
        };
        command.SetAction(parsed =>
            Run(
                parsed.GetValue(model)!,
                ModelOptions.Parse(parsed.GetValue(dtype)),
                parsed.GetValue(texts)!,
                parsed.GetValue(similarity)
            )
        );
        return command;
    }

    private static void Run(string model, ScalarType? dtype, string[] texts, bool similarity)
    {
        Libtorch.Require();
        using var scope = NewDisposeScope();
        using var embedder = SentenceEmbedder.Load(model, dtype);
        var vectors = cat([.. texts.Chunk(Batch).Select(embedder.Embed)]);
        if (similarity)
        {
            WriteSimilarities(texts, vectors);
            return;
        }

        for (var row = 0; row < texts.Length; row++)
        {
            var embedding = vectors[row].data<float>().ToArray();
            Console.WriteLine(JsonSerializer.Serialize(new { text = texts[row], embedding }, CommandJson.Lines));
        }
    }

    private static void WriteSimilarities(string[] texts, Tensor vectors)
    {
        var cosines = vectors.mm(vectors.t());
        var table = new Table().Border(TableBorder.Rounded).AddColumns("", "text");
        for (var column = 0; column < texts.Length; column++)
        {
            table.AddColumn(new TableColumn($"{column + 1}").RightAligned());
        }

        for (var row = 0; row < texts.Length; row++)
        {
            var numbers = cosines[row].data<float>().ToArray().Select(cosine => $"{cosine:0.000}");
            table.AddRow([$"{row + 1}", Markup.Escape(texts[row]), .. numbers]);
        }

        CommandTable.Write(table);
    }
}
