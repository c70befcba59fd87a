using System.Collections.Immutable;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>What the config.json of a Hugging Face folder says of any model.</summary>
public abstract record ModelConfig
{
    /// <summary>The file's name in a folder.</summary>
    internal const string FileName = "config.json";

    private static readonly Dictionary<string, Func<JsonFields, ModelConfig>> Architectures = new(
        StringComparer.Ordinal
    )
    {
        ["LlamaForCausalLM"] = LlamaConfig.Parse,
        ["BertModel"] = BertConfig.Parse,
    };

    private protected ModelConfig() { }

    /// <summary>The architecture's name, of which config.json gives a list of one.</summary>
    public abstract string Architecture { get; }

    /// <summary>The dtype of the weights as the file states it ("dtype", before transformers 5 "torch_dtype"), or
    /// null.</summary>
    public ScalarType? Dtype { get; init; }

    /// <summary>How the weights were quantized; null where they were not.</summary>
    public BitsandbytesConfig? Quantization { get; init; }

    /// <summary>Tokens that end a text; empty where there are none.</summary>
    public ImmutableArray<long> EndTokens { get; init; } = [];

    /// <summary>Reads a folder's config.json.</summary>
    /// <param name="folder">The folder, or the path of the file itself.</param>
    /// <exception cref="FileNotFoundException">There is no config.json.</exception>
    /// <exception cref="ModelFormatException">A field is missing or wrong; the message names it.</exception>
    /// <exception cref="NotSupportedException">
    /// The architecture, the quantization's method or the kind of rotary embedding is another than those supported.
    /// </exception>
    public static ModelConfig Load(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var file = Directory.Exists(folder) ? Path.Combine(folder, FileName) : folder;
        if (!File.Exists(file))
        {
            throw new FileNotFoundException(
                $"'{file}' is missing; a model's folder has a {FileName} as transformers writes it",
                file
            );
        }

        var fields = JsonFields.Read(file);
        var names = fields.Texts("architectures");
        if (names.IsEmpty)
        {
            throw new ModelFormatException(
                $"{file}: field 'architectures' is missing or empty; it must name one of "
                    + string.Join(", ", Architectures.Keys)
            );
        }

        return Architectures.TryGetValue(names[0], out var parse)
            ? parse(fields)
            : throw new NotSupportedException(
                $"{file}: the architecture is '{names[0]}'; supported are {string.Join(", ", Architectures.Keys)}"
            );
    }

    /// <summary>The fields that every model has.</summary>
    private protected T WithCommon<T>(JsonFields fields)
        where T : ModelConfig =>
        (T)this with
        {
            Dtype = fields.Dtype("dtype") ?? fields.Dtype("torch_dtype"),
            Quantization = fields.Object("quantization_config") is { } quantization
                ? BitsandbytesConfig.Parse(quantization)
                : null,
            EndTokens = fields.Tokens("eos_token_id"),
        };
}
