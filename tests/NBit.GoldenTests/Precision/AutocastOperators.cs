using NBit.Testing;
using static NBit.Testing.Dispatcher;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>Calls an operator, or what PyTorch makes of several.</summary>
/// <param name="inputs">The inputs whose dtypes vary.</param>
/// <returns>The outputs, in order.</returns>
internal delegate Tensor[] AutocastCall(Tensor[] inputs);

/// <summary>
/// The calls whose dtypes autocast_ops.json records, by the names that it gives them. Each takes its inputs from the
/// file; whatever else it needs (indices, targets, running statistics) fits their shapes.
/// </summary>
/// <remarks>
/// Operators are called by name through libtorch's dispatcher, with the arguments that PyTorch's functions pass. Where
/// a parameter is an at::Scalar, which the dispatcher's C interface lacks, TorchSharp's function calls the same
/// operator, or TorchScript does where TorchSharp has none.
/// </remarks>
internal static class AutocastOperators
{
    private static readonly Dictionary<string, AutocastCall> Known = new(
        [
            .. AutocastProducts.Operators,
            .. AutocastLayers.Operators,
            .. AutocastLosses.Operators,
            .. AutocastReductions.Operators,
            .. AutocastPointwise.Operators,
            .. AutocastShapes.Operators,
            .. AutocastDecompositions.Operators,
        ],
        StringComparer.Ordinal
    );

    /// <summary>The call of a recorded name, or null where this test does not know the name.</summary>
    public static AutocastCall? Find(string name) => Known.GetValueOrDefault(name);

    /// <summary>An operator whose arguments are the inputs and then these.</summary>
    public static AutocastCall Aten(string name, params Argument?[] rest) => Aten(1, name, rest);

    /// <summary>An operator of several outputs.</summary>
    public static AutocastCall Aten(int outputs, string name, params Argument?[] rest) =>
        x => CallMany(outputs, $"aten::{name}", [.. x, .. rest]);

    /// <summary>A function of TorchSharp's, a call whose arguments depend on the inputs, or several calls.</summary>
    public static AutocastCall Composed(Func<Tensor[], Tensor> call) => x => [call(x)];

    /// <summary>
    /// An expression of TorchScript in the inputs a, b and c. TorchScript casts by a list of its own too: this is not
    /// for operators on it.
    /// </summary>
    public static AutocastCall Scripted(int inputs, string expression) =>
        x =>
        {
            using var unit = jit.compile($"def call({"a, b, c"[..((3 * inputs) - 2)]}):\n    return {expression}\n");
            return [unit.invoke<Tensor>("call", x)];
        };

    /// <summary>Class indices for a batch of scores.</summary>
    public static Tensor Classes(Tensor scores) => arange(scores.shape[0], ScalarType.Int64).remainder(scores.shape[1]);

    /// <summary>An order of the first dimension's entries.</summary>
    public static Tensor Order(Tensor x) => arange(x.shape[0], ScalarType.Int64).roll(1);

    /// <summary>The same value for each dimension.</summary>
    public static long[] All(long value, int dimensions) => [.. Enumerable.Repeat(value, dimensions)];
}
