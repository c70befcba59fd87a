using System.Runtime.InteropServices;

namespace NBit.HardeningTests.Inputs;

/// <summary>Changes to JSON, token by token, so that most of what comes out is still JSON.</summary>
/// <param name="seeds">Texts whose tokens are put in the places of others.</param>
internal sealed class JsonMutations(IEnumerable<byte[]> seeds)
{
    private const int LongestRun = 8;
    private const int DeepestNest = 80; // beyond what System.Text.Json reads by default: 64

    private static readonly byte[][] Edges =
    [
        .. new[]
        {
            "0",
            "1",
            "-1",
            "-0",
            "2",
            "3.0",
            "0.5",
            "1e3",
            "1e999",
            "-1e-999",
            "2147483647",
            "2147483648",
            "4294967296",
            "1152921504606846976",
            "4611686018427387904",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775808",
            "18446744073709551616",
            new string('9', 400),
            "NaN",
            "-Infinity",
            "null",
            "true",
            "false",
            "{}",
            "[]",
            "[null]",
            "\"\"",
            "\"a\"",
            "\"NaN\"",
            "\"\\ud800\"",
            "\"\\udc00\\ud800\"",
            "\"\\ud83d\\ude00\"",
            "\"\\u0000\"",
            "\"../x\"",
            "\"__metadata__\"",
            $"\"{new string('n', 300)}\"",
        }.Select(text => System.Text.Encoding.ASCII.GetBytes(text)),
        [(byte)'"', 0xff, (byte)'"'],
        [(byte)'"', 0xed, 0xa0, 0x80, (byte)'"'], // half of a surrogate pair in UTF-8
        [0xef, 0xbb, 0xbf], // a byte order mark
    ];

    private readonly byte[][] _words =
    [
        .. seeds
            .SelectMany(seed => JsonTokens.Of(seed).Select(token => seed[token]))
            .DistinctBy(Convert.ToHexString, StringComparer.Ordinal),
    ];

    /// <summary>Makes one change.</summary>
    public void Apply(List<byte> json, Draw draw)
    {
        var tokens = JsonTokens.Of(CollectionsMarshal.AsSpan(json));
        if (tokens.Count == 0)
        {
            json.AddRange(draw.Of(Edges));
            return;
        }

        // Half of the objects and arrays are changed as a whole.
        var index = draw.Below(tokens.Count);
        var token = draw.OneIn(2) ? tokens[index] : JsonTokens.ValueAt(CollectionsMarshal.AsSpan(json), tokens, index);
        switch (draw.Below(9))
        {
            case 0 or 1:
                Replace(json, token, draw.Of(Edges));
                break;
            case 2:
                Replace(json, token, draw.Of(_words));
                break;
            case 3:
                Replace(json, token, json.ToArray()[draw.Of(tokens)]);
                break;
            case 4:
                Replace(json, token, []);
                break;
            case 5:
                json.InsertRange(token.Start.Value, draw.Of(_words));
                break;
            case 6:
                RepeatRun(json, tokens, draw);
                break;
            case 7:
                Nest(json, token, draw);
                break;
            default:
                json.Insert(token.Start.Value + draw.Below(Length(token)), (byte)draw.Bits());
                break;
        }
    }

    // A key, its value and the comma repeated are a duplicate key; so many that such a run is often met.
    private static void RepeatRun(List<byte> json, List<Range> tokens, Draw draw)
    {
        var first = draw.Below(tokens.Count);
        var last = Math.Min(first + draw.Below(LongestRun), tokens.Count - 1);
        var (start, end) = (tokens[first].Start.Value, tokens[last].End.Value);
        json.InsertRange(draw.OneIn(2) ? end : draw.Of(tokens).Start.Value, json.GetRange(start, end - start));
    }

    private static void Nest(List<byte> json, Range token, Draw draw)
    {
        var depth = 1 + draw.Below(draw.OneIn(4) ? DeepestNest : 4);
        var (open, close) = draw.OneIn(2) ? ("["u8.ToArray(), (byte)']') : ("{\"a\":"u8.ToArray(), (byte)'}');
        json.InsertRange(token.End.Value, Enumerable.Repeat(close, depth));
        json.InsertRange(token.Start.Value, Enumerable.Repeat(open, depth).SelectMany(bytes => bytes));
    }

    private static void Replace(List<byte> json, Range token, byte[] word)
    {
        json.RemoveRange(token.Start.Value, Length(token));
        json.InsertRange(token.Start.Value, word);
    }

    private static int Length(Range token) => token.End.Value - token.Start.Value;
}
