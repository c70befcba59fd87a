using NBit.Precision;
using NBit.Quantization;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.Quantization;

/// <summary>Linear layers in fields of their own type, converted in place where a mode is given.</summary>
internal sealed class TwoLayers : nn.Module<Tensor, Tensor>
{
    public const int Inputs = 16,
        Hidden = 64,
        Outputs = 8;

    private readonly Linear _first = nn.Linear(Inputs, Hidden),
        _last = nn.Linear(Hidden, Outputs);

    public TwoLayers()
        : base(nameof(TwoLayers)) => RegisterComponents();

    /// <summary>The mode's name, or none for floating point: the kinds of layers that there are.</summary>
    public static IEnumerable<string> Kinds => BitsandbytesPrecision.Modes.Prepend("none");

    public Linear First => _first;

    public Linear Last => _last;

    /// <summary>The same weights each time.</summary>
    public static TwoLayers Make(string kind = "none", long seed = 1)
    {
        manual_seed(seed);
        var model = new TwoLayers();
        Convert(model, kind);
        return model;
    }

    public static void Convert(nn.Module model, string kind)
    {
        if (kind != "none")
        {
            Mode(kind).ConvertModule(model);
        }
    }

    /// <summary>With the compute dtype that is exact enough to compare.</summary>
    public static BitsandbytesPrecision Mode(string kind) =>
        new(kind, kind.StartsWith("int8", StringComparison.Ordinal) ? null : ScalarType.Float32);

    public static Tensor Input(int rows = 5)
    {
        manual_seed(2);
        return randn(rows, Inputs);
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return _last.forward(nn.functional.relu(_first.forward(input))).MoveToOuterDisposeScope();
    }

    /// <summary>Whether a layer's weight is held as codes.</summary>
    public static bool IsQuantized(Linear layer) => LinearWeight.Of(layer.weight) is { IsQuantized: true };
}
