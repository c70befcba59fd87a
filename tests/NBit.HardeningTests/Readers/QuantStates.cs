using NBit.Checkpoints;
using NBit.HardeningTests.Inputs;

namespace NBit.HardeningTests.Readers;

/// <summary>The JSON of a 4-bit weight; what is valid is written again, and is then the same.</summary>
internal sealed class QuantStates : Reader
{
    private readonly JsonInputs _inputs = new(
        """{"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [4, 64]}""",
        """{"quant_type": "fp4", "blocksize": 4096, "dtype": "float32", "shape": [1, 0], "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": -1.5e-05}"""
    );

    public override byte[] Make(Draw draw) => _inputs.Make(draw);

    public override bool Documents(Exception error) => error.GetType() == typeof(FormatException);

    public override void Read(byte[] input)
    {
        var state = QuantStateJson.Parse(input);
        var again = QuantStateJson.Parse(state.ToBytes());
        Require(again with { Shape = state.Shape } == state, "the state is not the one that was written");
        Require(again.Shape.SequenceEqual(state.Shape), "the shape is not the one that was written");
    }
}
