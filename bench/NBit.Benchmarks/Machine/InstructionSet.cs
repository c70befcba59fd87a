using NBit.Native;

namespace NBit.Benchmarks.Machine;

/// <summary>An instruction set that NBit has kernels for.</summary>
/// <param name="Number">One of <see cref="nbit_instruction_set" />.</param>
internal sealed unsafe record InstructionSet(int Number)
{
    /// <summary>The one that NBit uses: the best, unless NBIT_ISA says otherwise.</summary>
    public static InstructionSet Chosen { get; } = Read(&Libnbit.nbit_instruction_set_get);

    /// <summary>All that this machine has, the best one first.</summary>
    public static IReadOnlyList<InstructionSet> All { get; } =
    [
        .. Enumerable
            .Range(0, Read(&Libnbit.nbit_instruction_set_detect).Number + 1)
            .Reverse()
            .Select(number => new InstructionSet(number)),
    ];

    /// <summary>Its name, as in NBIT_ISA.</summary>
    public string Name => $"{(nbit_instruction_set)Number}"["NBIT_INSTRUCTION_SET_".Length..].ToLowerInvariant();

    /// <summary>Makes NBit use it from now on.</summary>
    public void Use() => NativeStatus.ThrowIfFailed(Libnbit.nbit_instruction_set_force(Number));

    private static InstructionSet Read(delegate* <int*, int> query)
    {
        int number;
        NativeStatus.ThrowIfFailed(query(&number));
        return new InstructionSet(number);
    }
}
