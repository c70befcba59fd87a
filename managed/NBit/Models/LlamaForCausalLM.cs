using NBit.Precision;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>A Llama that gives the next token's logits; its tensors have transformers' names.</summary>
/// <remarks>
/// Its layers are TorchSharp's own (<c>Linear</c>, <c>Embedding</c>), so that whatever works on those works on it:
/// precisions, quantization in place, adapters. Texts of a batch have the same length: there is no padding mask.
/// </remarks>
public sealed class LlamaForCausalLM : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "model")]
    private readonly LlamaDecoder _decoder;

    [ComponentName(Name = "lm_head")]
    private readonly Linear? _head; // null where the embedding is the head

    /// <summary>Makes a model with random weights, on the default device and in the default dtype.</summary>
    /// <param name="config">Its shape.</param>
    public LlamaForCausalLM(LlamaConfig config)
        : base(nameof(LlamaForCausalLM))
    {
        ArgumentNullException.ThrowIfNull(config);
        Config = config;
        _decoder = new LlamaDecoder(config);
        _head = config.TiedEmbeddings ? null : nn.Linear(config.HiddenSize, config.VocabularySize, hasBias: false);
        RegisterComponents();
    }

    /// <summary>Its shape.</summary>
    public LlamaConfig Config { get; }

    /// <summary>Loads a Hugging Face folder: config.json beside safetensors files.</summary>
    /// <param name="folder">The folder.</param>
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
    public static LlamaForCausalLM Load(
        string folder,
        ScalarType? dtype = null,
        Device? device = null,
        BitsandbytesPrecision? precision = null
    ) => ModelLoader.Load<LlamaConfig, LlamaForCausalLM>(folder, (config, _) => new(config), dtype, device, precision);

    /// <summary>The logits of every next token of texts from their begin.</summary>
    /// <param name="ids">Tokens, int64 [batch, tokens].</param>
    /// <returns>[batch, tokens, vocabulary].</returns>
    public override Tensor forward(Tensor ids) => forward(ids, cache: null);

    /// <summary>The logits of every next token, behind the tokens that a cache holds.</summary>
    /// <param name="ids">The new tokens, int64 [batch, tokens].</param>
    /// <param name="cache">Holds the earlier tokens, and these afterwards; null for texts from their begin.</param>
    /// <returns>[batch, tokens, vocabulary].</returns>
    public Tensor forward(Tensor ids, KeyValueCache? cache)
    {
        ArgumentNullException.ThrowIfNull(ids);
        using var scope = NewDisposeScope();
        return Logits(_decoder.Forward(ids, cache)).MoveToOuterDisposeScope();
    }

    /// <summary>Continues a text, token by token as they are asked for.</summary>
    /// <remarks>Ends early with one of <see cref="ModelConfig.EndTokens" />, which comes last.</remarks>
    /// <param name="prompt">The text's tokens; at least one.</param>
    /// <param name="maxNewTokens">The largest number of tokens to give.</param>
    /// <param name="temperature">0 takes the likeliest token; above, logits are divided by it and a token is
    /// drawn.</param>
    /// <param name="topK">Draws from that many likeliest tokens only; 0 for all.</param>
    /// <param name="topP">Draws from the fewest likeliest tokens only whose probabilities sum to this.</param>
    /// <param name="seed">Makes draws repeatable; null for a random one.</param>
    /// <returns>The new tokens.</returns>
    /// <exception cref="ArgumentException">
    /// The prompt is empty, has a token that is not in the vocabulary, or is too long for
    /// <see cref="LlamaConfig.MaxPositions" /> together with the new tokens; or a number is out of range.
    /// </exception>
    public IEnumerable<long> Generate(
        IReadOnlyList<long> prompt,
        int maxNewTokens,
        double temperature = 0,
        int topK = 0,
        double topP = 1,
        int? seed = null
    )
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentOutOfRangeException.ThrowIfNegative(maxNewTokens);
        CheckPrompt(prompt, maxNewTokens);
        var sampler = new TokenSampler(temperature, topK, topP, seed);
        return Continue(prompt, maxNewTokens, sampler);
    }

    private Tensor Logits(Tensor hidden) => _head is null ? _decoder.TiedLogits(hidden) : _head.call(hidden);

    private void CheckPrompt(IReadOnlyList<long> prompt, int maxNewTokens)
    {
        if (prompt.Count == 0)
        {
            throw new ArgumentException(
                "the prompt is empty; give at least one token (the text's begin)",
                nameof(prompt)
            );
        }

        if (prompt.Any(token => token < 0 || token >= Config.VocabularySize))
        {
            var token = prompt.First(token => token < 0 || token >= Config.VocabularySize);
            throw new ArgumentException(
                $"the prompt has token {token}; the model has tokens 0 to {Config.VocabularySize - 1}",
                nameof(prompt)
            );
        }

        if (prompt.Count + (long)maxNewTokens > Config.MaxPositions)
        {
            throw new ArgumentException(
                $"{prompt.Count} tokens of prompt and {maxNewTokens} new ones are more than the model's "
                    + $"{Config.MaxPositions} positions; ask for fewer",
                nameof(maxNewTokens)
            );
        }
    }

    private IEnumerable<long> Continue(IReadOnlyList<long> prompt, int maxNewTokens, TokenSampler sampler)
    {
        using var cache = new KeyValueCache(Config);
        IReadOnlyList<long> added = prompt;
        for (var count = 0; count < maxNewTokens; count++)
        {
            var token = sampler.Next(NextLogits(added, cache));
            yield return token;
            if (Config.EndTokens.Contains(token))
            {
                yield break;
            }

            added = [token];
        }
    }

    // The head sees the last token alone. Nothing stays open over a yield: the caller's gradients and scopes are its
    // own.
    private float[] NextLogits(IReadOnlyList<long> added, KeyValueCache cache)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var parameter = parameters().First();
        var hidden = _decoder.Forward(tensor([.. added], [1, added.Count], ScalarType.Int64, parameter.device), cache);
        var logits = Logits(hidden.narrow(1, added.Count - 1, 1));
        return logits.to(ScalarType.Float32).cpu().data<float>().ToArray();
    }
}
