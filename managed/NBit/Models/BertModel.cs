using NBit.Precision;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>A BERT encoder (arXiv 1810.04805); its tensors have transformers' names.</summary>
/// <remarks>
/// Its layers are TorchSharp's own (<c>Linear</c>, <c>LayerNorm</c>, <c>Embedding</c>), so that whatever works on those
/// works on it: precisions, quantization in place, adapters.
/// </remarks>
public sealed class BertModel : nn.Module<Tensor, Tensor, Tensor>
{
    [ComponentName(Name = "embeddings")]
    private readonly BertEmbeddings _embeddings;

    [ComponentName(Name = "encoder")]
    private readonly BertEncoder _encoder;

    [ComponentName(Name = "pooler")]
    private readonly BertPooler? _pooler;

    /// <summary>Makes a model with random weights, on the default device and in the default dtype.</summary>
    /// <param name="config">Its shape.</param>
    public BertModel(BertConfig config)
        : base(nameof(BertModel))
    {
        ArgumentNullException.ThrowIfNull(config);
        Config = config;
        _embeddings = new BertEmbeddings(config);
        _encoder = new BertEncoder(config);
        _pooler = config.Pooler ? new BertPooler(config) : null;
        RegisterComponents();
    }

    /// <summary>Its shape.</summary>
    public BertConfig Config { get; }

    /// <summary>Loads a Hugging Face folder: config.json beside safetensors files.</summary>
    /// <param name="folder">The folder. The model has a pooler where the tensors have one.</param>
    /// <param name="dtype">The dtype of the weights; null for the one that config.json states, else float32.</param>
    /// <param name="device">Where the weights go; null for the CPU.</param>
    /// <param name="precision">Quantizes linear layers while they are read, one after the other: never more than one is held
    /// in floating point. Layers that the folder holds quantized stay as they are. Null for none.</param>
    /// <returns>The model in evaluation mode.</returns>
    /// <exception cref="FileNotFoundException">config.json, the tensors or a shard of them are missing.</exception>
    /// <exception cref="ModelFormatException">
    /// A field of config.json is wrong, or tensors are missing or of other shapes; the message names them.
    /// </exception>
    /// <exception cref="NBit.Checkpoints.SafetensorsFormatException">A file of tensors is not valid.</exception>
    /// <exception cref="NotSupportedException">
    /// It is another architecture, or quantized in a way that is not supported.
    /// </exception>
    public static BertModel Load(
        string folder,
        ScalarType? dtype = null,
        Device? device = null,
        BitsandbytesPrecision? precision = null
    ) =>
        ModelLoader.Load<BertConfig, BertModel>(
            folder,
            (config, tensors) => new(config with { Pooler = tensors.TryGetEntry("pooler.dense.weight", out _) }),
            dtype,
            device,
            precision
        );

    /// <summary>The last hidden state.</summary>
    /// <param name="ids">Tokens, int64 [batch, tokens]; at most <see cref="BertConfig.MaxPositions" /> each.</param>
    /// <param name="mask">1 where there is a token, 0 where there is padding, [batch, tokens].</param>
    /// <returns>[batch, tokens, hidden size].</returns>
    public override Tensor forward(Tensor ids, Tensor mask) => forward(ids, mask, types: null);

    /// <summary>The last hidden state of texts of two sentences.</summary>
    /// <param name="ids">Tokens, int64 [batch, tokens]; at most <see cref="BertConfig.MaxPositions" /> each.</param>
    /// <param name="mask">1 where there is a token, 0 where there is padding, [batch, tokens]; null for no
    /// padding.</param>
    /// <param name="types">0 for the first sentence's tokens and 1 for the second's, int64 [batch, tokens]; null for 0
    /// everywhere.</param>
    /// <returns>[batch, tokens, hidden size].</returns>
    /// <exception cref="ArgumentException">There are more tokens than the model has positions.</exception>
    public Tensor forward(Tensor ids, Tensor? mask, Tensor? types)
    {
        ArgumentNullException.ThrowIfNull(ids);
        if (ids.shape[^1] > Config.MaxPositions)
        {
            throw new ArgumentException(
                $"{ids.shape[^1]} tokens were given; the model has {Config.MaxPositions} positions: shorten the text",
                nameof(ids)
            );
        }

        using var scope = NewDisposeScope();
        var seen = mask?.to(ScalarType.Bool).unsqueeze(1).unsqueeze(1);
        return _encoder.Forward(_embeddings.Forward(ids, types), seen).MoveToOuterDisposeScope();
    }

    /// <summary>The pooler's output: a dense layer and tanh over the first token.</summary>
    /// <param name="hidden">What <c>forward</c> gave, [batch, tokens, hidden size].</param>
    /// <returns>[batch, hidden size].</returns>
    /// <exception cref="InvalidOperationException">The model has no pooler.</exception>
    public Tensor Pool(Tensor hidden)
    {
        ArgumentNullException.ThrowIfNull(hidden);
        return _pooler is null
            ? throw new InvalidOperationException("the model has no pooler: its tensors have no 'pooler.dense.weight'")
            : _pooler.call(hidden);
    }

    /// <summary>
    /// Embeds texts: the mean of the last hidden state over the tokens that are there, of length 1
    /// (Sentence-BERT, arXiv 1908.10084).
    /// </summary>
    /// <param name="ids">Tokens, int64 [batch, tokens].</param>
    /// <param name="mask">1 where there is a token, 0 where there is padding, [batch, tokens].</param>
    /// <returns>float32 [batch, hidden size]; the product of two rows is their cosine.</returns>
    public Tensor Embed(Tensor ids, Tensor mask)
    {
        ArgumentNullException.ThrowIfNull(mask);
        using var scope = NewDisposeScope();
        var hidden = forward(ids, mask, types: null).to(ScalarType.Float32);
        var weights = mask.to(ScalarType.Float32).unsqueeze(-1);
        var mean = (hidden * weights).sum(1) / weights.sum(1);
        return nn.functional.normalize(mean, dim: -1).MoveToOuterDisposeScope();
    }
}
