using NBit.Checkpoints;
using NBit.HardeningTests.Inputs;
using NBit.Quantization;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.HardeningTests.Readers;

/// <summary>Checkpoints with weights as bitsandbytes keeps them, for a model of one linear layer.</summary>
internal sealed class QuantizedCheckpoints : Reader
{
    private const int Outputs = 2,
        Inputs = 64;
    private readonly Linear _model = nn.Linear(Inputs, Outputs);
    private readonly CheckpointInputs _inputs;

    public QuantizedCheckpoints()
    {
        using var scope = NewDisposeScope();
        _inputs = new([
            File(Weight4bit.Quantize(Numbers(), QuantType.NF4, 64, compressStatistics: false, ScalarType.Float32)),
            File(Weight4bit.Quantize(Numbers(), QuantType.FP4, 64, compressStatistics: true, ScalarType.Float32)),
            File(Weight8bit.Quantize(Numbers(), threshold: 6)),
        ]);
    }

    public override byte[] Make(Draw draw) => _inputs.Make(draw);

    public override bool Documents(Exception error) => error is SafetensorsFormatException;

    public override void Read(byte[] input)
    {
        using var scope = NewDisposeScope();
        using var reader = SafetensorsReader.Open(new MemoryStream(input));
        if (ModelWeights.Match(reader, _model).Faults is [var fault, ..])
        {
            throw new SafetensorsFormatException(fault);
        }

        foreach (var layer in QuantizedLayer.Find(reader))
        {
            using var weight = BitsandbytesLayout.Read(reader, layer, ScalarType.Float32, threshold: 6);
            using var output = weight.Forward(ones(1, Inputs), weight.Storage, null);
            Require(output.shape is [1, Outputs], "the layer has another output");
        }
    }

    public override void Dispose()
    {
        _model.Dispose();
        base.Dispose();
    }

    private static Tensor Numbers() => linspace(-1, 1, Outputs * Inputs).reshape(Outputs, Inputs);

    private static byte[] File(LinearWeight weight)
    {
        using var file = new MemoryStream();
        using (weight)
        {
            SafetensorsWriter.Write(
                file,
                [("weight", weight.Storage), ("bias", zeros(Outputs)), .. BitsandbytesLayout.Companions(weight)]
            );
        }

        return file.ToArray();
    }
}
