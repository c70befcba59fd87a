using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using NBit.GoldenTests.Precision;
using NBit.Precision;

namespace NBit.GoldenTests.Golden;

/// <summary>What a call gave: a value or an error, compared with what was recorded from Python.</summary>
public static partial class Outcome
{
    /// <summary>Python's exceptions, as NBit throws them.</summary>
    private static readonly Dictionary<string, Type[]> Exceptions = new(StringComparer.Ordinal)
    {
        ["AssertionError"] = [typeof(InvalidOperationException), typeof(ArgumentException)],
        ["RuntimeError"] =
        [
            typeof(InvalidOperationException),
            typeof(NotSupportedException),
            typeof(System.Runtime.InteropServices.ExternalException),
        ],
        ["ValueError"] = [typeof(ArgumentException)],
        ["TypeError"] = [typeof(ArgumentException), typeof(NotSupportedException)],
        ["KeyError"] = [typeof(KeyNotFoundException), typeof(ArgumentException)],
        ["NotImplementedError"] = [typeof(NotSupportedException)],
        ["MisconfigurationException"] =
        [
            typeof(ArgumentException),
            typeof(NotSupportedException),
            typeof(InvalidOperationException),
        ],
    };

    /// <summary>Runs a call and compares with {"ok": value} or {"error": type, "message": text}.</summary>
    public static void Check(JsonElement expected, Func<object?> call)
    {
        object? value;
        try
        {
            value = call();
        }
        catch (Exception error) when (error is not AssertionException and not IgnoreException)
        {
            CheckError(expected, error);
            return;
        }

        Assert.That(expected.Text("error"), Is.Null, $"an error was recorded, but the call gave {value}");
        CheckValue(expected.Get("ok"), value);
    }

    /// <summary>
    /// Makes a precision mode and compares it with a plugin's record, or with the error that was recorded.
    /// </summary>
    public static void CheckMode(JsonElement expected, Func<PrecisionMode> make, bool fabric, string path = "")
    {
        PrecisionMode mode;
        try
        {
            mode = make();
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException or InvalidOperationException)
        {
            CheckError(expected, error);
            return;
        }

        ModeRecord.Check(expected, mode, fabric, path);
    }

    /// <summary>Compares an exception with {"error": type, "message": text}.</summary>
    public static void CheckError(JsonElement expected, Exception error)
    {
        var type = expected.Text("error");
        Assert.That(type, Is.Not.Null, $"no error was recorded, but the call threw {error}");
        Assert.That(Exceptions, Does.ContainKey(type!));
        Assert.That(
            Exceptions[type!].Any(allowed => allowed.IsInstanceOfType(error)),
            Is.True,
            $"{type} became {error.GetType()}"
        );
        Assert.That(Normalize(error.Message), Does.StartWith(Normalize(expected.Text("message")!)).IgnoreCase);
    }

    // Object addresses and class names are Python's; an ArgumentException appends its parameter, a KeyError is the
    // quoted key.
    private static string Normalize(string message) =>
        Whitespace()
            .Replace(
                ObjectNames()
                    .Replace(message.TrimStart('`'), "<object>")
                    .Replace("plugins=", "plugin=", StringComparison.Ordinal),
                " "
            )
            .Trim();

    private static void CheckValue(JsonElement? expected, object? value)
    {
        switch (expected?.ValueKind)
        {
            case null:
                Assert.That(value, Is.Null);
                break;
            case JsonValueKind.Object:
                Assert.That(value, Is.InstanceOf<IReadOnlyDictionary<string, double>>());
                Assert.That(
                    (IReadOnlyDictionary<string, double>)value!,
                    Is.EquivalentTo(
                        expected
                            .Value.EnumerateObject()
                            .ToDictionary(entry => entry.Name, entry => entry.Value.Number(), StringComparer.Ordinal)
                    )
                );
                break;
            case JsonValueKind.Array:
                Assert.That(value, Is.EqualTo(expected.Value.Numbers()));
                break;
            case JsonValueKind.True or JsonValueKind.False:
                Assert.That(value, Is.EqualTo(expected.Value.GetBoolean()));
                break;
            case JsonValueKind.String when expected.Value.GetString() is "inf" or "-inf" or "nan":
            case JsonValueKind.Number:
                Assert.That(Convert.ToDouble(value, CultureInfo.InvariantCulture), Is.EqualTo(expected.Value.Number()));
                break;
            default:
                Assert.That(value, Is.EqualTo(expected.Value.GetString()));
                break;
        }
    }

    [GeneratedRegex(
        @"<[a-zA-Z_.]+ object at 0x[^>]*>|NBit(\.[A-Za-z]+)+",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture,
        1000
    )]
    private static partial Regex ObjectNames();

    [GeneratedRegex(@"\s+", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Whitespace();
}
