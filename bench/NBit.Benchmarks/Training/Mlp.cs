using static TorchSharp.torch;

namespace NBit.Benchmarks.Training;

/// <summary>Three linear layers of width 256: float32 [n, 256] to float32 [n, 10].</summary>
internal sealed class Mlp : nn.Module<Tensor, Tensor>
{
    public const int Width = 256;
    public const int Classes = 10;

    private readonly nn.Module<Tensor, Tensor> _layers;
    private readonly List<Tensor> _initial;

    public Mlp()
        : base(nameof(Mlp))
    {
        random.manual_seed(1);
        _layers = nn.Sequential(
            nn.Linear(Width, Width),
            nn.ReLU(),
            nn.Linear(Width, Width),
            nn.ReLU(),
            nn.Linear(Width, Classes)
        );
        RegisterComponents();
        _initial = [.. parameters().Select(parameter => parameter.detach().clone())];
    }

    public override Tensor forward(Tensor input) => _layers.forward(input);

    /// <summary>Gives the weights their first values and drops the gradients: each run does the same work.</summary>
    public void Reset()
    {
        using var noGrad = no_grad();
        foreach (var (parameter, initial) in parameters().Zip(_initial))
        {
            parameter.copy_(initial);
            parameter.grad = null;
        }
    }

    /// <summary>Whether the weights are those of another model, bit for bit.</summary>
    public bool HasWeightsOf(IEnumerable<Tensor> others) =>
        parameters().Zip(others).All(pair => pair.First.bytes.SequenceEqual(pair.Second.bytes));

    /// <summary>The weights that it began with.</summary>
    public IReadOnlyList<Tensor> InitialWeights => _initial;

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _initial.ForEach(tensor => tensor.Dispose());
        }

        base.Dispose(disposing);
    }
}
