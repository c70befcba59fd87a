namespace NBit.HardeningTests.Inputs;

/// <summary>Damaged JSON.</summary>
internal sealed class JsonInputs
{
    private readonly byte[][] _seeds;
    private readonly JsonMutations _mutations;

    /// <param name="seeds">Valid texts.</param>
    public JsonInputs(params string[] seeds)
    {
        _seeds = [.. seeds.Select(System.Text.Encoding.UTF8.GetBytes)];
        _mutations = new(_seeds);
    }

    /// <summary>A text; one in some dozens is as it was.</summary>
    public byte[] Make(Draw draw)
    {
        List<byte> bytes = draw.OneIn(16)
            ? ByteMutations.Splice(draw.Of(_seeds), draw.Of(_seeds), draw)
            : [.. draw.Of(_seeds)];
        for (var changes = draw.Changes(); changes > 0; changes--)
        {
            if (draw.OneIn(6))
            {
                ByteMutations.Apply(bytes, draw);
            }
            else
            {
                _mutations.Apply(bytes, draw);
            }
        }

        return [.. bytes];
    }
}
