using NBit.Precision;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>Texts to vectors: a BERT and its tokenizer (Sentence-BERT, arXiv 1908.10084).</summary>
/// <remarks><code>
/// using var embedder = SentenceEmbedder.Load("all-MiniLM-L6-v2");
/// using var vectors = embedder.Embed(["A man is eating food.", "A man is eating bread."]);
/// </code></remarks>
public sealed class SentenceEmbedder : IDisposable
{
    private SentenceEmbedder(BertModel model, WordPieceTokenizer tokenizer) => (Model, Tokenizer) = (model, tokenizer);

    /// <summary>The model.</summary>
    public BertModel Model { get; }

    /// <summary>The tokenizer.</summary>
    public WordPieceTokenizer Tokenizer { get; }

    /// <summary>Loads a folder: a BERT with its vocab.txt.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="dtype">The dtype of the weights; null for the one that config.json states, else float32.</param>
    /// <param name="device">Where the weights go; null for the CPU.</param>
    /// <param name="precision">Quantizes linear layers while they are read, one after the other: never more than one is held
    /// in floating point. Layers that the folder holds quantized stay as they are. Null for none.</param>
    /// <exception cref="FileNotFoundException">config.json, vocab.txt or the tensors are missing.</exception>
    /// <exception cref="ModelFormatException">A file is wrong; the message names it.</exception>
    /// <exception cref="NBit.Checkpoints.SafetensorsFormatException">A file of tensors is not valid.</exception>
    /// <exception cref="NotSupportedException">It is another architecture, or quantized.</exception>
    public static SentenceEmbedder Load(
        string folder,
        ScalarType? dtype = null,
        Device? device = null,
        BitsandbytesPrecision? precision = null
    )
    {
        var tokenizer = WordPieceTokenizer.Load(folder);
        return new(BertModel.Load(folder, dtype, device, precision), tokenizer);
    }

    /// <summary>Embeds texts, all in one batch, without gradients.</summary>
    /// <param name="texts">At least one text, of at most <see cref="BertConfig.MaxPositions" /> tokens each.</param>
    /// <returns>float32 [texts, hidden size] on the CPU, rows of length 1: their products are cosines.</returns>
    /// <exception cref="ArgumentException">There is no text, or one is too long; the message says which.</exception>
    public Tensor Embed(IReadOnlyList<string> texts)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var (ids, mask) = Tokenizer.EncodeBatch(texts);
        if (ids.shape[1] > Model.Config.MaxPositions)
        {
            var longest = Enumerable.Range(0, texts.Count).First(text => mask[text].sum().item<long>() == ids.shape[1]);
            throw new ArgumentException(
                $"text {longest + 1} has {ids.shape[1]} tokens; the model takes {Model.Config.MaxPositions}: shorten "
                    + "or split it",
                nameof(texts)
            );
        }

        var device = Model.parameters().First().device;
        return Model.Embed(ids.to(device), mask.to(device)).cpu().MoveToOuterDisposeScope();
    }

    /// <summary>Releases the model.</summary>
    public void Dispose() => Model.Dispose();
}
