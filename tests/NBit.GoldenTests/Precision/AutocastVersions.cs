using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>
/// Where libtorch 2.10, which TorchSharp 0.107 brings, does something else than the 2.13 that was recorded, outside of
/// any autocast region too. What 2.10 does is asserted just as strictly; with another libtorch the recording counts.
/// </summary>
internal static class AutocastVersions
{
    private static readonly bool IsDescribed = __version__.StartsWith("2.10.", StringComparison.Ordinal);

    /// <summary>
    /// What this libtorch gives in place of the recorded outcome, or null where the recording counts.
    /// </summary>
    public static string? Instead(string name, string mode, string row, ScalarType low) =>
        !IsDescribed
            ? null
            : (name, mode, row) switch
            {
                // 2.10 has no check that the dtypes are the same: it computes in the matrix's.
                ("addmv", _, "mixed_first_f32_rest_low") => Golden.DtypeNames.Name(low),
                ("addmv", _, "mixed_first_low_rest_f32") => Golden.DtypeNames.Name(ScalarType.Float32),
                // "trace" not implemented for these dtypes yet; inside a region it is float32 in both versions.
                ("trace", "no_autocast", "bfloat16" or "float16") => AutocastOutcome.Failed,
                _ => null,
            };
}
