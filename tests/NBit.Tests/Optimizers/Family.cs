using NBit.Optimizers;
using TorchSharp.Modules;
using static TorchSharp.torch;
using Named = System.Collections.Generic.IEnumerable<(string name, TorchSharp.Modules.Parameter parameter)>;

namespace NBit.Tests.Optimizers;

/// <summary>NBit's optimizers, with their defaults where they have one.</summary>
internal static class Family
{
    /// <summary>8-bit states for all parameters that have an element.</summary>
    public static readonly OptimizerSettings AllIn8Bits = new() { Min8bitSize = 0 };

    public static readonly Dictionary<string, Func<Named, OptimizerSettings?, NBitOptimizer>> All = new(
        StringComparer.Ordinal
    )
    {
        ["Adam8bit"] = (parameters, settings) => new Adam8bit(parameters, settings: settings),
        ["Adam32bit"] = (parameters, settings) => new Adam32bit(parameters, settings: settings),
        ["AdamW8bit"] = (parameters, settings) => new AdamW8bit(parameters, settings: settings),
        ["AdamW32bit"] = (parameters, settings) => new AdamW32bit(parameters, settings: settings),
        ["SGD8bit"] = (parameters, settings) => new SGD8bit(parameters, 0.01, 0.9, settings: settings),
        ["SGD32bit"] = (parameters, settings) => new SGD32bit(parameters, 0.01, 0.9, settings: settings),
        ["Lion8bit"] = (parameters, settings) => new Lion8bit(parameters, settings: settings),
        ["Lion32bit"] = (parameters, settings) => new Lion32bit(parameters, settings: settings),
        ["RMSprop8bit"] = (parameters, settings) => new RMSprop8bit(parameters, settings: settings),
        ["RMSprop32bit"] = (parameters, settings) => new RMSprop32bit(parameters, settings: settings),
        ["Adagrad8bit"] = (parameters, settings) => new Adagrad8bit(parameters, settings: settings),
        ["Adagrad32bit"] = (parameters, settings) => new Adagrad32bit(parameters, settings: settings),
        ["LAMB8bit"] = (parameters, settings) => new LAMB8bit(parameters, settings: settings),
        ["LAMB32bit"] = (parameters, settings) => new LAMB32bit(parameters, settings: settings),
        ["LARS8bit"] = (parameters, settings) => new LARS8bit(parameters, 0.01, 0.9, settings: settings),
        ["LARS32bit"] = (parameters, settings) => new LARS32bit(parameters, 0.01, 0.9, settings: settings),
        ["AdEMAMix8bit"] = (parameters, settings) =>
            new AdEMAMix8bit(parameters, alphaSteps: 5, beta3Steps: 8, settings: settings),
        ["AdEMAMix32bit"] = (parameters, settings) =>
            new AdEMAMix32bit(parameters, alphaSteps: 5, beta3Steps: 8, settings: settings),
    };

    public static IEnumerable<string> Names => All.Keys;

    public static IEnumerable<string> NamesIn8Bits =>
        All.Keys.Where(name => name.EndsWith("8bit", StringComparison.Ordinal));

    /// <summary>An optimizer of unnamed parameters.</summary>
    public static NBitOptimizer Make(string name, IEnumerable<Parameter> parameters, OptimizerSettings? settings) =>
        All[name](parameters.Select((parameter, index) => ($"{index}", parameter)), settings);

    /// <summary>A parameter of normal random numbers with such a gradient.</summary>
    public static Parameter Parameter(ScalarType dtype, params long[] shape) =>
        new(randn(shape).to(dtype)) { grad = randn(shape).to(dtype) };

    /// <summary>A tensor's bytes; its own numbers if it changes later.</summary>
    public static byte[] Bytes(Tensor tensor) => tensor.detach().contiguous().bytes.ToArray();

    /// <summary>The bytes of a parameter and of all its states.</summary>
    public static List<string> Bits(NBitOptimizer optimizer) =>
        [
            .. optimizer.parameters().Select(parameter => Convert.ToHexString(Bytes(parameter))),
            .. optimizer.NamedStates().Select(state => $"{state.Name} {Convert.ToHexString(Bytes(state.Tensor))}"),
        ];
}
