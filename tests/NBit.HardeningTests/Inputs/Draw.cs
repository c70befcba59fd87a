namespace NBit.HardeningTests.Inputs;

/// <summary>
/// The random choices of one input, by SplitMix64 (Steele et al., OOPSLA 2014): the seed and the input's number alone
/// say what they are, so that a finding is made again without the inputs before it.
/// </summary>
internal sealed class Draw(ulong seed, long number)
{
    private const ulong Step = 0x9e3779b97f4a7c15;
    private ulong _state = Mixed(seed) ^ Mixed(((ulong)number * Step) + 1);

    /// <summary>64 bits.</summary>
    public ulong Bits() => Mixed(_state += Step);

    /// <summary>A number from 0 to below a limit of 1 or more.</summary>
    public int Below(int limit) => (int)Math.BigMul(Bits(), (ulong)limit, out _);

    /// <summary>Whether one of so many cases is met.</summary>
    public bool OneIn(int cases) => Below(cases) == 0;

    /// <summary>One of some things.</summary>
    public T Of<T>(IReadOnlyList<T> things) => things[Below(things.Count)];

    /// <summary>How many changes to make: mostly few, so that what comes after the first fault is seen too.</summary>
    public int Changes() => OneIn(32) ? 0 : 1 + Below(OneIn(2) ? 1 : 4);

    private static ulong Mixed(ulong bits)
    {
        bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
        bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
        return bits ^ (bits >> 31);
    }
}
