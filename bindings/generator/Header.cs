namespace NBit.Bindings.Generator;

/// <summary>What a C header declares, as far as bindings need it.</summary>
internal sealed record Header(
    IReadOnlyList<Function> Functions,
    IReadOnlyList<Enumeration> Enumerations,
    IReadOnlyList<string> OpaqueTypes,
    IReadOnlyDictionary<string, string> CallbackTypes
);

internal sealed record Function(string Name, string ReturnType, IReadOnlyList<Parameter> Parameters, Comment Comment);

internal sealed record Parameter(string Name, string Type);

internal sealed record Enumeration(string Name, IReadOnlyList<Constant> Constants, Comment Comment);

internal sealed record Constant(string Name, long Value, Comment Comment);

/// <summary>A documentation comment: its paragraphs, and one for each parameter.</summary>
internal sealed record Comment(IReadOnlyList<string> Paragraphs, IReadOnlyDictionary<string, string> Parameters)
{
    public static Comment None { get; } = new([], new Dictionary<string, string>(StringComparer.Ordinal));
}
