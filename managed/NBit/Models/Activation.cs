using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>The activation functions by the names that config.json has for them.</summary>
internal static class Activation
{
    public static IReadOnlyDictionary<string, Func<Tensor, Tensor>> ByName { get; } =
        new Dictionary<string, Func<Tensor, Tensor>>(StringComparer.Ordinal)
        {
            ["silu"] = x => nn.functional.silu(x),
            ["gelu"] = x => nn.functional.gelu(x),
            ["gelu_new"] = GeluTanh,
            ["gelu_pytorch_tanh"] = GeluTanh,
            ["relu"] = x => nn.functional.relu(x),
        };

    private static Tensor GeluTanh(Tensor x) => nn.functional.gelu(x, TorchSharp.Modules.GELU.Approximate.tanh);
}
