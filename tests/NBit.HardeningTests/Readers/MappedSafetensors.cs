using NBit.Checkpoints;
using NBit.HardeningTests.Inputs;

namespace NBit.HardeningTests.Readers;

/// <summary>Safetensors in a file, each tensor mapped.</summary>
internal sealed class MappedSafetensors() : FileReader("input.safetensors")
{
    private readonly CheckpointInputs _inputs = SafetensorsInputs.Make();

    public override byte[] Make(Draw draw) => _inputs.Make(draw);

    public override bool Documents(Exception error) => error is SafetensorsFormatException;

    protected override void ReadFile(byte[] input)
    {
        using var source = TensorSource.Open(File);
        var begin = input.Length - (int)source.Entries.Sum(entry => entry.ByteCount);
        foreach (var entry in source.Entries)
        {
            using var mapped = source.Map(entry.Name);
            var part = new byte[entry.ByteCount / 2];
            source.ReadBytes(entry.Name, entry.ByteCount - part.Length, part);
            var whole = mapped.Slice(0, (int)mapped.Length);
            Require(
                whole.SequenceEqual(input.AsSpan(begin + (int)entry.Begin, (int)entry.ByteCount)),
                $"'{entry.Name}' is mapped at another place"
            );
            Require(whole.EndsWith(part), $"the end of '{entry.Name}' was read from another place");
        }
    }
}
