namespace NBit.Bindings.Generator;

/// <summary>Translates C types, as clang spells them, to C#.</summary>
internal sealed class CSharpTypes(IReadOnlyDictionary<string, string> table, IEnumerable<Header> headers)
{
    private readonly HashSet<string> _opaque = headers
        .SelectMany(header => header.OpaqueTypes)
        .ToHashSet(StringComparer.Ordinal);

    private readonly Dictionary<string, string> _callbacks = headers
        .SelectMany(header => header.CallbackTypes)
        .ToDictionary(StringComparer.Ordinal);

    /// <summary>
    /// The C# type of a C type: fixed-width integers, float, double, pointers to them, opaque types and callbacks.
    /// </summary>
    /// <exception cref="NotSupportedException">The ABI allows no such type.</exception>
    public string Translate(string type)
    {
        type = WithoutConst(type);
        if (type.Contains("(*)", StringComparison.Ordinal))
        {
            return Callback(type);
        }

        if (type.EndsWith('*'))
        {
            return Translate(type[..^1]) + "*";
        }

        return table.TryGetValue(type, out var name) ? name
            : _opaque.Contains(type) ? type
            : _callbacks.TryGetValue(type, out var callback) ? Callback(callback)
            : throw new NotSupportedException(
                $"C type '{type}' is not allowed in the ABI: use fixed-width integers, float, double, pointers to them and to opaque types"
            );
    }

    // C# pointers have no const.
    private static string WithoutConst(string type) =>
        string.Join(
            ' ',
            type.Replace("*const", "* const", StringComparison.Ordinal)
                .Split(' ', StringSplitOptions.RemoveEmptyEntries)
                .Where(word => word != "const")
        );

    // "R (*)(A, B)" becomes "delegate* unmanaged<A, B, R>".
    private string Callback(string type)
    {
        var pointer = type.IndexOf("(*)", StringComparison.Ordinal);
        var parameters = Split(type[(pointer + 3)..].Trim()[1..^1]).Append(type[..pointer]);
        return $"delegate* unmanaged<{string.Join(", ", parameters.Select(Translate))}>";
    }

    private static IEnumerable<string> Split(string parameters)
    {
        var depth = 0;
        var start = 0;
        for (var i = 0; i < parameters.Length; i++)
        {
            depth += parameters[i] switch
            {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            if (depth == 0 && parameters[i] == ',')
            {
                yield return parameters[start..i];
                start = i + 1;
            }
        }

        yield return parameters[start..];
    }
}
