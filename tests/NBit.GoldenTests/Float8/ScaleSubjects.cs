using System.Globalization;
using System.Text.RegularExpressions;
using NBit.TransformerEngine;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Float8;

/// <summary>Scales from amaxes, and from their histories.</summary>
internal static partial class ScaleSubjects
{
    public static Dictionary<string, Tensor> FromAmax(Float8File file)
    {
        var computed = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (var name in file.Outputs)
        {
            var match = FromAmaxName().Match(name);
            var (scale, inverse) = Float8Functional.ScaleFromAmax(
                file.Read("amax"),
                match.Groups["max"].Value == "448" ? CodeFormat.E4M3 : CodeFormat.E5M2,
                powerOf2: match.Groups["pow2"].Value == "1",
                epsilon: float.Parse(match.Groups["eps"].Value, CultureInfo.InvariantCulture)
            );
            computed[name] = match.Groups["what"].Value == "scale" ? scale : inverse;
        }

        return computed;
    }

    public static Dictionary<string, Tensor> Delayed(Float8File file)
    {
        var computed = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (var name in file.Outputs)
        {
            var match = DelayedName().Match(name);
            var recipe = new DelayedScaling(
                margin: match.Groups["margin"] is { Success: true } margin
                    ? int.Parse(margin.Value, CultureInfo.InvariantCulture)
                    : 0,
                amaxHistoryLength: int.Parse(match.Groups["length"].Value, CultureInfo.InvariantCulture),
                amaxComputeAlgorithm: match.Groups["algo"].Value == "most_recent"
                    ? AmaxComputeAlgorithm.MostRecent
                    : AmaxComputeAlgorithm.Max
            );
            var format = match.Groups["format"].Value == "e5m2" ? CodeFormat.E5M2 : CodeFormat.E4M3;
            var (scales, histories) = Run(file, recipe, format, match.Groups["variant"].Value);
            computed[name] = name.EndsWith(".scale", StringComparison.Ordinal)
                ? scales
                : Stored(histories, (int)file.Read(name).shape[1]);
        }

        return computed;
    }

    private static (Tensor Scales, Tensor Histories) Run(
        Float8File file,
        DelayedScaling recipe,
        CodeFormat format,
        string variant
    )
    {
        var amaxes = file.Read("amax_in");
        var (steps, columns) = (amaxes.shape[0], amaxes.shape[1]);
        using var state = new DelayedScales(columns, recipe.AmaxHistoryLength);
        var (scales, histories) = (new List<Tensor>(), new List<Tensor>());
        for (var step = 0; step < steps; step++)
        {
            state.AmaxHistory.select(0, 0).copy_(amaxes.select(0, step));
            switch (variant)
            {
                case "fused":
                    state.Update(recipe, format);
                    break;
                case "kernel":
                    Float8Functional.UpdateHistory(
                        state.AmaxHistory,
                        state.Scale,
                        recipe,
                        format,
                        HistoryRule.SingleTensor
                    );
                    break;
                default:
                    CustomScales.Update(state, recipe, ScaledCasts.Maximum(format));
                    break;
            }

            scales.Add(state.Scale.clone());
            histories.Add(state.AmaxHistory.clone());
        }

        return (stack(scales), stack(histories));
    }

    // Of long histories the file holds row 0 and the last ones; the others are 0.
    private static Tensor Stored(Tensor histories, int rows)
    {
        var length = histories.shape[1];
        if (rows == length)
        {
            return histories;
        }

        Assert.That(histories.narrow(1, 1, length - rows).count_nonzero().item<long>(), Is.Zero);
        return cat([histories.narrow(1, 0, 1), histories.narrow(1, length - rows + 1, rows - 1)], 1);
    }

    [GeneratedRegex(
        @"^max(?<max>\d+)\.pow2_(?<pow2>[01])\.eps(?<eps>[^.]+)\.(?<what>scale|scale_inv)$",
        RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 1000
    )]
    private static partial Regex FromAmaxName();

    [GeneratedRegex(
        @"^(?<variant>fused|kernel|unfused)\.L(?<length>\d+)\.((?<algo>\w+)\.margin(?<margin>\d+)\.(?<format>e4m3|e5m2)\.scale|history)$",
        RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 1000
    )]
    private static partial Regex DelayedName();
}
