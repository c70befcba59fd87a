using System.Globalization;
using System.Text.RegularExpressions;
using NBit.GoldenTests.Golden;
using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Bitsandbytes;

/// <summary>A tensor to reproduce: the parts of its name, and the tensors from which NBit computes it.</summary>
/// <param name="file">The recorded file, or the nbit_ file beside it.</param>
/// <param name="name">The tensor's name, without "nbit.".</param>
/// <param name="match">The match of the name.</param>
/// <param name="bytesOfPeer">Whether <see cref="ReadBytes" /> gives the recorded bytes where NBit's differ.</param>
public sealed class RecordedCase(string file, string name, Match match, bool bytesOfPeer)
{
    private const string OwnPrefix = "nbit.";
    private readonly GoldenTensors _recorded = GoldenTensors.Of(BitsandbytesFiles.RecordedFile(file));
    private readonly GoldenTensors _own = GoldenTensors.Of(BitsandbytesFiles.OwnFile(file));
    private readonly HashSet<string> _inputs = new(StringComparer.Ordinal);

    private readonly List<nn.Module> _layers = [];

    public string Name => name;

    /// <summary>The recorded tensors that were read so far.</summary>
    public IReadOnlySet<string> Inputs => _inputs;

    /// <summary>A named part of the name; empty where it has none.</summary>
    public string this[string part] => match.Groups[part].Value;

    /// <summary>Keeps a layer for as long as this case is there: its tensors are released with it.</summary>
    public T Keep<T>(T layer)
        where T : nn.Module
    {
        _layers.Add(layer);
        return layer;
    }

    public int Number(string part) => int.Parse(this[part], CultureInfo.InvariantCulture);

    public double Threshold => double.Parse(this["threshold"], CultureInfo.InvariantCulture);

    public bool Flag(string part) => this[part] == "1";

    public ScalarType Dtype(string part) =>
        this[part] switch
        {
            "f32" => ScalarType.Float32,
            "f16" => ScalarType.Float16,
            "bf16" => ScalarType.BFloat16,
            "u8" => ScalarType.Byte,
            var other => throw new ArgumentException($"{name} names a dtype '{other}' that this test does not know"),
        };

    public QuantType Kind => this["kind"] == "nf4" ? QuantType.NF4 : QuantType.FP4;

    public bool Has(string tensor) => _recorded.Has(tensor);

    public long[] Shape(string tensor) => _recorded.Shape(tensor);

    /// <summary>A tensor of the recorded file.</summary>
    public Tensor Read(string tensor)
    {
        _inputs.Add(tensor);
        return _recorded.Read(tensor);
    }

    /// <summary>Bytes to load: NBit's where they differ from the recorded ones, or else the recorded ones.</summary>
    public Tensor ReadBytes(string tensor) =>
        !bytesOfPeer && _own.Has(OwnPrefix + tensor) ? _own.Read(OwnPrefix + tensor) : Read(tensor);

    /// <summary>A tensor's name without the prefix of NBit's answers.</summary>
    public static string WithoutPrefix(string tensor) =>
        tensor.StartsWith(OwnPrefix, StringComparison.Ordinal) ? tensor[OwnPrefix.Length..] : tensor;

    /// <summary>The mask of elements that a special case specifies; null where all are.</summary>
    public Tensor? Mask()
    {
        var mask = $"{OwnPrefix}{name[..(name.LastIndexOf('.') + 1)]}compared";
        return name.EndsWith(".dequant", StringComparison.Ordinal) && _own.Has(mask) ? _own.Read(mask) : null;
    }
}
