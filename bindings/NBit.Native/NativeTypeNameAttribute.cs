using System.Diagnostics;

namespace NBit.Native;

/// <summary>The C type that a generated type stands for.</summary>
[Conditional("DEBUG")]
[AttributeUsage(AttributeTargets.Parameter | AttributeTargets.ReturnValue)]
internal sealed class NativeTypeNameAttribute(string name) : Attribute
{
    /// <summary>The type as the header spells it.</summary>
    public string Name { get; } = name;
}
