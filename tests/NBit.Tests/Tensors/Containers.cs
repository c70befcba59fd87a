using static TorchSharp.torch;

namespace NBit.Tests.Tensors;

// What a program may keep its tensors in.
internal sealed record Named(string Name, Tensor Value, Tensor? Mask = null);

internal record Parent(Tensor Inherited)
{
    private readonly Tensor _hidden = Inherited + 1;

    public Tensor Hidden() => _hidden;
}

internal sealed record Child(Tensor Inherited, Tensor Own) : Parent(Inherited)
{
    public Tensor? Extra { get; init; }
}

internal readonly record struct Pair(Tensor First, Tensor Second);

internal struct Plain
{
    public Tensor Value;
    public int Number;
}

internal sealed record Linked(Tensor Value)
{
    public Linked? Next { get; set; }
}

/// <summary>A class that is no record: nobody looks into it.</summary>
internal sealed class Opaque(Tensor value)
{
    public Tensor Value { get; } = value;
}

/// <summary>A list that cannot be made anew.</summary>
internal sealed class Sealed : List<Tensor>
{
    public Sealed(int capacity)
        : base(capacity) { }
}

/// <summary>A dictionary with a constructor for no comparer.</summary>
internal sealed class Features : Dictionary<string, Tensor>
{
    public Features() { }

    public Features(string note, StringComparer comparer)
        : base(comparer) => Note = note;

    public string Note { get; } = "";
}
