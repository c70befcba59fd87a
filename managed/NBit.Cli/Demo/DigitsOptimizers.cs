using NBit.Optimizers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Cli.Demo;

/// <summary>The optimizers of the demonstration, with learning rates that suit its model.</summary>
internal static class DigitsOptimizers
{
    /// <summary>TorchSharp's AdamW.</summary>
    public const string Default = "adamw";

    private const double Rate = 2e-3,
        Momentum = 0.9;

    // Float16 can hold it: with 1e-8, TorchSharp's AdamW would divide 0 by 0 in 16-true and is refused. In 8 bits a
    // mean square may become 0 beside larger ones while its mean does not; a larger epsilon keeps such steps small.
    private const double Epsilon = 1e-4;

    private static readonly Dictionary<string, Func<Parameter[], optim.Optimizer>> All = new(StringComparer.Ordinal)
    {
        [Default] = p => optim.AdamW(p, Rate, eps: Epsilon, weight_decay: 0.01),
        ["adam8bit"] = p => new Adam8bit(p, Rate, eps: Epsilon),
        ["adam32bit"] = p => new Adam32bit(p, Rate, eps: Epsilon),
        ["adamw8bit"] = p => new AdamW8bit(p, Rate, eps: Epsilon),
        ["adamw32bit"] = p => new AdamW32bit(p, Rate, eps: Epsilon),
        ["sgd8bit"] = p => new SGD8bit(p, 0.05, Momentum),
        ["sgd32bit"] = p => new SGD32bit(p, 0.05, Momentum),
        ["lion8bit"] = p => new Lion8bit(p, 3e-4),
        ["lion32bit"] = p => new Lion32bit(p, 3e-4),
        ["rmsprop8bit"] = p => new RMSprop8bit(p, 1e-3),
        ["rmsprop32bit"] = p => new RMSprop32bit(p, 1e-3),
        ["adagrad8bit"] = p => new Adagrad8bit(p, 1e-2),
        ["adagrad32bit"] = p => new Adagrad32bit(p, 1e-2),
        ["lamb8bit"] = p => new LAMB8bit(p, 1e-2),
        ["lamb32bit"] = p => new LAMB32bit(p, 1e-2),
        ["lars8bit"] = p => new LARS8bit(p, 1, Momentum),
        ["lars32bit"] = p => new LARS32bit(p, 1, Momentum),
        ["ademamix8bit"] = p => new AdEMAMix8bit(p, Rate, eps: Epsilon),
        ["ademamix32bit"] = p => new AdEMAMix32bit(p, Rate, eps: Epsilon),
    };

    /// <summary>Their names.</summary>
    public static IEnumerable<string> Names => All.Keys;

    /// <summary>Whether an optimizer steps parameters of a precision: NBit's have no float64 kernels.</summary>
    public static bool Takes(string optimizer, string mode) => optimizer == Default || mode != "64-true";

    /// <summary>Makes an optimizer.</summary>
    public static optim.Optimizer Make(string name, Parameter[] parameters) => All[name](parameters);
}
