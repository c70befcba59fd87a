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

    /// <summary>
    /// Adam's epsilon where none is asked for. Float16 can hold it: with 1e-8, TorchSharp's AdamW would divide 0 by 0
    /// in 16-true and is refused. In 8 bits a mean square may become 0 beside larger ones while its mean does not; a
    /// larger epsilon keeps such steps small.
    /// </summary>
    public const double Epsilon = 1e-4;

    private static readonly Dictionary<string, Func<Parameter[], double, optim.Optimizer>> All = new(
        StringComparer.Ordinal
    )
    {
        [Default] = (p, eps) => optim.AdamW(p, Rate, eps: eps, weight_decay: 0.01),
        ["adam8bit"] = (p, eps) => new Adam8bit(p, Rate, eps: eps),
        ["adam32bit"] = (p, eps) => new Adam32bit(p, Rate, eps: eps),
        ["adamw8bit"] = (p, eps) => new AdamW8bit(p, Rate, eps: eps),
        ["adamw32bit"] = (p, eps) => new AdamW32bit(p, Rate, eps: eps),
        ["sgd8bit"] = (p, _) => new SGD8bit(p, 0.05, Momentum),
        ["sgd32bit"] = (p, _) => new SGD32bit(p, 0.05, Momentum),
        ["lion8bit"] = (p, _) => new Lion8bit(p, 3e-4),
        ["lion32bit"] = (p, _) => new Lion32bit(p, 3e-4),
        ["rmsprop8bit"] = (p, _) => new RMSprop8bit(p, 1e-3),
        ["rmsprop32bit"] = (p, _) => new RMSprop32bit(p, 1e-3),
        ["adagrad8bit"] = (p, _) => new Adagrad8bit(p, 1e-2),
        ["adagrad32bit"] = (p, _) => new Adagrad32bit(p, 1e-2),
        ["lamb8bit"] = (p, _) => new LAMB8bit(p, 1e-2),
        ["lamb32bit"] = (p, _) => new LAMB32bit(p, 1e-2),
        ["lars8bit"] = (p, _) => new LARS8bit(p, 1, Momentum),
        ["lars32bit"] = (p, _) => new LARS32bit(p, 1, Momentum),
        ["ademamix8bit"] = (p, eps) => new AdEMAMix8bit(p, Rate, eps: eps),
        ["ademamix32bit"] = (p, eps) => new AdEMAMix32bit(p, Rate, eps: eps),
    };

    /// <summary>Their names.</summary>
    public static IEnumerable<string> Names => All.Keys;

    /// <summary>Whether an optimizer steps parameters of a precision: NBit's have no float64 kernels.</summary>
    public static bool Takes(string optimizer, string mode) => optimizer == Default || mode != "64-true";

    /// <summary>Makes an optimizer.</summary>
    public static optim.Optimizer Make(string name, Parameter[] parameters, double epsilon) =>
        All[name](parameters, epsilon);
}
