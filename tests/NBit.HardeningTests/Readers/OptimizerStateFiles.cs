using NBit.Checkpoints;
using NBit.HardeningTests.Inputs;
using NBit.Optimizers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.HardeningTests.Readers;

/// <summary>Saved states of an optimizer with an 8-bit, a 32-bit and a fresh state.</summary>
internal sealed class OptimizerStateFiles : Reader
{
    private readonly List<Parameter> _parameters = [new(ones(2, 150)), new(ones(3)), new(ones(2))];
    private readonly Adam8bit _optimizer;
    private readonly CheckpointInputs _inputs;

    public OptimizerStateFiles()
    {
        using var scope = NewDisposeScope();
        _optimizer = new(
            [("a", _parameters[0]), ("b", _parameters[1]), ("c", _parameters[2])],
            settings: new() { Min8bitSize = 100 }
        );
        _parameters[0].grad = ones(2, 150);
        _parameters[1].grad = ones(3);
        _optimizer.step();
        using var file = new MemoryStream();
        SafetensorsWriter.Write(file, _optimizer.SavedState());
        _inputs = new(file.ToArray());
    }

    public override byte[] Make(Draw draw) => _inputs.Make(draw);

    public override bool Documents(Exception error) =>
        error is SafetensorsFormatException || error.GetType() == typeof(ArgumentException);

    public override void Read(byte[] input)
    {
        using var scope = NewDisposeScope();
        using var source = SafetensorsReader.Open(new MemoryStream(input));
        var faults = _optimizer.StateFaults(source, "");
        _optimizer.LoadState(source, "");
        Require(faults.Count == 0, "a state with faults was loaded");
        _optimizer.step(); // of what was loaded: states of other sizes would be overrun
    }

    public override void Dispose()
    {
        _optimizer.Dispose();
        _parameters.ForEach(parameter =>
        {
            parameter.grad?.Dispose();
            parameter.Dispose();
        });
        base.Dispose();
    }
}
