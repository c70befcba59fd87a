using NUnit.Framework.Constraints;

namespace NBit.Tests.Training;

/// <summary>What refused arguments are refused with.</summary>
internal static class Refusal
{
    /// <summary>Null is refused by the argument's name.</summary>
    public static EqualStringConstraint OfNull(string argument) =>
        Throws.ArgumentNullException.With.Property("ParamName").EqualTo(argument);
}
