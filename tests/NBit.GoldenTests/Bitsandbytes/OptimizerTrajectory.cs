using System.Globalization;
using System.Text.RegularExpressions;
using NBit.GoldenTests.Golden;
using NBit.Optimizers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Bitsandbytes;

/// <summary>Recorded steps of one parameter: tensors of a file whose names have a beginning in common.</summary>
/// <param name="File">The file.</param>
/// <param name="Name">What the tensors' names begin with.</param>
internal sealed partial record OptimizerTrajectory(string File, string Name)
{
    private const int Min8bitSize = 4096;

    /// <summary>The tensors: their names, the step after which they were recorded, and what they are.</summary>
    public IReadOnlyList<(string Tensor, int Step, string Member)> Tensors { get; } =
    [
        .. from tensor in GoldenTensors.Of(File).Names
        let match = TensorName().Match(tensor)
        where match.Success && match.Groups["trajectory"].Value == Name
        select (
            tensor,
            int.Parse(match.Groups["step"].Value, CultureInfo.InvariantCulture),
            match.Groups["member"].Value
        ),
    ];

    /// <summary>The trajectories of a file.</summary>
    public static IEnumerable<OptimizerTrajectory> Of(string file) =>
        GoldenTensors
            .Of(file)
            .Names.Select(tensor => TensorName().Match(tensor))
            .Where(match => match.Success)
            .Select(match => match.Groups["trajectory"].Value)
            .Distinct(StringComparer.Ordinal)
            .Select(name => new OptimizerTrajectory(file, name));

    /// <summary>Whether a tensor is of a trajectory.</summary>
    public static bool Has(string tensor) => TensorName().IsMatch(tensor);

    /// <summary>Makes the steps with NBit.</summary>
    /// <returns>The tensors, by their names.</returns>
    public Dictionary<string, Tensor> Run()
    {
        var parts = CaseName().Match(RecordedCase.WithoutPrefix(Name));
        var which = parts.Groups["which"].Value;
        var dtype = parts.Groups["dtype"].Value switch
        {
            "bf16" => ScalarType.BFloat16,
            "f16" => ScalarType.Float16,
            _ => ScalarType.Float32,
        };
        var min8bitSize = parts.Groups["min8bit"] is { Success: true } size
            ? long.Parse(size.Value, CultureInfo.InvariantCulture)
            : Min8bitSize;
        var optimizer = parts.Groups["optimizer"] is { Success: true } recorded ? recorded.Value : "adam8bit";
        using var parameter = OptimizerRecording.Parameter(which, dtype);
        if (parts.Groups["override"].Success)
        {
            Override(which, parameter);
        }

        using var stepped = OptimizerRecording.Make(
            optimizer,
            [(which, parameter)],
            new() { Min8bitSize = min8bitSize }
        );
        return Run(stepped, parameter, OptimizerRecording.Gradients(which, dtype));
    }

    // README: big is forced to 32-bit state, odd has other options.
    private static void Override(string which, Parameter parameter)
    {
        if (which == "big")
        {
            GlobalOptimManager.Override(parameter, new() { OptimBits = 32 });
        }
        else if (which == "odd")
        {
            GlobalOptimManager.Override(parameter, new() { LearningRate = 5e-4, WeightDecay = 0.05 });
        }
    }

    private Dictionary<string, Tensor> Run(NBitOptimizer optimizer, Parameter parameter, Tensor gradients)
    {
        var results = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        for (var step = 1; step <= Tensors.Max(tensor => tensor.Step); step++)
        {
            parameter.grad = gradients[step - 1].clone();
            optimizer.step();
            foreach (var (tensor, _, member) in Tensors.Where(tensor => tensor.Step == step))
            {
                var found =
                    member == "param"
                        ? parameter
                        : optimizer
                            .NamedStates()
                            .FirstOrDefault(state => state.Name.EndsWith($".{member}", StringComparison.Ordinal))
                            .Tensor;
                if (found is not null)
                {
                    results.Add(tensor, found.detach().clone());
                }
            }
        }

        return results;
    }

    [GeneratedRegex(
        @"^(?<trajectory>.+)\.step(?<step>\d+)\.(?<member>param|state[12]|absmax[12]|unorm_vec)$",
        RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant,
        1000
    )]
    private static partial Regex TensorName();

    [GeneratedRegex(
        @"^(cuda_derived\.)?((?<dtype>bf16|f16)\.)?((?<override>override)|min8bit_(?<min8bit>\d+)|(?<optimizer>[^.]+))\.(?<which>[^.]+)$",
        RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant,
        1000
    )]
    private static partial Regex CaseName();
}
