using NBit.HardeningTests.Inputs;

namespace NBit.HardeningTests.Readers;

/// <summary>One of NBit's readers, with inputs for it. A thread of its own works with each instance.</summary>
internal abstract class Reader : IDisposable
{
    /// <summary>An input.</summary>
    public abstract byte[] Make(Draw draw);

    /// <summary>Gives the input to the reader, and checks what it makes of one that it takes.</summary>
    /// <exception cref="InconsistentException">What was read does not agree with itself or with the input.</exception>
    public abstract void Read(byte[] input);

    /// <summary>Whether the reader documents an exception for inputs that are not valid.</summary>
    public abstract bool Documents(Exception error);

    /// <summary>Releases what the reader works with.</summary>
    public virtual void Dispose() { }

    /// <summary>Requires something of what was read.</summary>
    protected static void Require(bool holds, string what)
    {
        if (!holds)
        {
            throw new InconsistentException(what);
        }
    }
}
