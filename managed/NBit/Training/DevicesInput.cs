namespace NBit.Training;

/// <summary>
/// What a user gives as <c>devices</c>: how many (<c>1</c>), or the index of one (<c>new[] { 0 }</c>). Converts from
/// int and int[].
/// </summary>
public readonly record struct DevicesInput
{
    private DevicesInput(int count, int index)
    {
        Count = count;
        Index = index;
    }

    /// <summary>How many devices; 1 for the default value too.</summary>
    public int Count
    {
        get => field == 0 ? 1 : field;
    }

    /// <summary>The index of the first one.</summary>
    public int Index { get; }

    /// <summary>Reads a number of devices.</summary>
    /// <param name="count">1.</param>
    /// <exception cref="ArgumentException">It is below 1.</exception>
    /// <exception cref="NotSupportedException">It is above 1.</exception>
    public static implicit operator DevicesInput(int count) => FromInt32(count);

    /// <summary>Reads the indices of devices.</summary>
    /// <param name="indices">One index, 0 or more.</param>
    /// <exception cref="ArgumentException">There is none, or a negative one.</exception>
    /// <exception cref="NotSupportedException">There is more than one.</exception>
    public static implicit operator DevicesInput(int[] indices) => FromIndices(indices);

    /// <summary>Reads a number of devices.</summary>
    /// <param name="count">1.</param>
    /// <returns>The input.</returns>
    /// <exception cref="ArgumentException">It is below 1.</exception>
    /// <exception cref="NotSupportedException">It is above 1.</exception>
    public static DevicesInput FromInt32(int count) => Checked(count, 0, $"{count}");

    /// <summary>Reads the indices of devices.</summary>
    /// <param name="indices">One index, 0 or more.</param>
    /// <returns>The input.</returns>
    /// <exception cref="ArgumentException">There is none, or a negative one.</exception>
    /// <exception cref="NotSupportedException">There is more than one.</exception>
    public static DevicesInput FromIndices(int[] indices)
    {
        ArgumentNullException.ThrowIfNull(indices);
        return Checked(indices.Length, indices.FirstOrDefault(), $"[{string.Join(", ", indices)}]");
    }

    private static DevicesInput Checked(int count, int index, string given) =>
        count < 1 || index < 0
            ? throw new ArgumentException($"devices is {given}; allowed are 1, or one index of 0 or more, e.g. [0]")
        : count > 1
            ? throw new NotSupportedException(
                $"devices is {given}: more than one device is not supported yet; use 1, or one index, e.g. [0]"
            )
        : new DevicesInput(count, index);
}
