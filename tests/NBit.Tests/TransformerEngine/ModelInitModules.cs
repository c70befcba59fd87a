using NBit.TransformerEngine;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Tests.TransformerEngine;

/// <summary>A module of every kind, for inputs of 32 features.</summary>
internal static class ModelInitModules
{
    public const int Features = 32;
    private static readonly (string, long)[] Parts = [("query", 24), ("key", 40)];
    private static readonly TE.TransformerLayerOptions Layer = new() { AttentionDropout = 0, HiddenDropout = 0 };

    public static readonly OrderedDictionary<string, Func<nn.Module<Tensor, Tensor>>> All = new(StringComparer.Ordinal)
    {
        ["Linear"] = () => new TE.Linear(Features, 48),
        ["SplitLinear"] = () => new TE.SplitLinear(Features, Parts),
        ["LayerNormLinear"] = () => new TE.LayerNormLinear(Features, 48),
        ["LayerNormLinear in parts"] = () => new TE.LayerNormLinear(Features, 64, parametersSplit: Parts),
        ["LayerNormMLP"] = () => new TE.LayerNormMLP(Features, 48, Activation.SwiGLU),
        ["MultiheadAttention"] = () => new TE.MultiheadAttention(Features, 4, new() { AttentionDropout = 0 }),
        ["MultiheadAttention, fused"] = () =>
            new TE.MultiheadAttention(
                Features,
                4,
                new() { AttentionDropout = 0, FuseQkvParameters = true },
                inputLayerNorm: true
            ),
        ["TransformerLayer"] = () => new TE.TransformerLayer(Features, 48, 4, Layer),
    };

    /// <summary>A module of a seed.</summary>
    public static nn.Module<Tensor, Tensor> Make(string name, long seed = 1)
    {
        manual_seed(seed);
        return All[name]();
    }

    /// <summary>The same module with weights that are codes alone.</summary>
    public static nn.Module<Tensor, Tensor> MakeCodes(
        string name,
        Float8Recipe recipe,
        bool preserves = false,
        long seed = 1
    )
    {
        using (Float8.ModelInit(recipe, preserveHighPrecisionInitialValue: preserves))
        {
            return Make(name, seed);
        }
    }

    public static Tensor Input(long seed = 5)
    {
        manual_seed(seed);
        return randn(6, 2, Features);
    }

    /// <summary>Whether a parameter of an ordinary module is the weight of a linear product.</summary>
    public static bool IsProductWeight(string name, Tensor parameter) =>
        name.EndsWith("weight", StringComparison.Ordinal) && parameter.dim() == 2;
}
