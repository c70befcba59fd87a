namespace NBit.Tests.Checkpoints;

/// <summary>A stream in memory that trickles, ends early, or fails.</summary>
internal sealed class FaultyStream(byte[] content) : MemoryStream(content)
{
    /// <summary>No read gives more bytes.</summary>
    public int LongestRead { get; init; } = int.MaxValue;

    /// <summary>Reads from here on find the end, whatever <see cref="Stream.Length" /> says.</summary>
    public long EndsAt { get; set; } = long.MaxValue;

    /// <summary>Reads and writes that reach beyond fail.</summary>
    public long FailsAt { get; set; } = long.MaxValue;

    public override int Read(Span<byte> buffer)
    {
        var count = (int)Math.Min(Math.Min(buffer.Length, LongestRead), Math.Max(0, EndsAt - Position));
        ThrowBeyond(Position + count);
        return base.Read(buffer[..count]);
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        ThrowBeyond(Position + buffer.Length);
        base.Write(buffer);
    }

    private void ThrowBeyond(long position)
    {
        if (position > FailsAt)
        {
            throw new IOException("injected fault");
        }
    }
}
