using System.Text.RegularExpressions;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Bitsandbytes;

/// <summary>The tensors of a file whose names match a pattern, and how NBit computes them.</summary>
public sealed class Subject
{
    public const string DtypePart = "(?<dtype>f32|f16|bf16)";
    public const string KindPart = "(?<kind>nf4|fp4)";
    public const string BlocksizePart = @"bs(?<blocksize>\d+)";
    public const string ThresholdPart = @"th(?<threshold>\d+(?:\.\d+)?)";

    private readonly Regex _pattern;

    private Subject(string pattern) =>
        _pattern = new(
            $"^(?:{pattern})$",
            RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture,
            TimeSpan.FromSeconds(1)
        );

    /// <summary>Whether the tensors are what others are computed from.</summary>
    public bool IsInput { get; private init; }

    /// <summary>Computes the tensor from the recorded inputs.</summary>
    public Func<RecordedCase, Tensor>? Quantize { get; private init; }

    /// <summary>Computes the tensor from the recorded bytes.</summary>
    public Func<RecordedCase, Tensor>? Load { get; private init; }

    /// <summary>Tensors that NBit computes.</summary>
    /// <param name="pattern">A regular expression for the whole name, with named groups.</param>
    /// <param name="quantize">From the inputs; null where only recorded bytes determine the tensor.</param>
    /// <param name="load">From recorded bytes; null where no bytes are recorded.</param>
    public static Subject Computed(
        string pattern,
        Func<RecordedCase, Tensor>? quantize,
        Func<RecordedCase, Tensor>? load = null
    ) => new(pattern) { Quantize = quantize, Load = load };

    public static Subject Input(string pattern) => new(pattern) { IsInput = true };

    /// <summary>Tensors that nbit-rules.json leaves out: properties of the peer's CPU backend, and masks.</summary>
    public static Subject LeftOut(string pattern) => new(pattern);

    /// <summary>The case of a tensor, or null where the name does not match.</summary>
    /// <param name="file">The recorded file, or the nbit_ file beside it.</param>
    /// <param name="tensor">The tensor.</param>
    /// <param name="bytesOfPeer">Whether the recorded bytes are loaded where NBit's differ, too.</param>
    public RecordedCase? CaseOf(string file, string tensor, bool bytesOfPeer = false)
    {
        var name = RecordedCase.WithoutPrefix(tensor);
        var match = _pattern.Match(name);
        return match.Success ? new(file, name, match, bytesOfPeer) : null;
    }
}
