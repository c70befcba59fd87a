using System.Text;

namespace NBit.Tests.Checkpoints;

/// <summary>A file that is wrong in one way, and what the message about it must say.</summary>
internal sealed record MalformedFile(string Name, byte[] Bytes, params string[] Message)
{
    public MalformedFile(string name, string json, params string[] message)
        : this(name, SafetensorsBytes.File(json, 4), message) { }

    public override string ToString() => Name;
}

/// <summary>Safetensors files that are wrong in one way each.</summary>
internal static class SafetensorsHeaderCases
{
    private const string Good = """{"dtype":"U8","shape":[4],"data_offsets":[0,4]}""";

    public static IEnumerable<MalformedFile> All() =>
        [.. Lengths(), .. Encodings(), .. Json(), .. Metadata(), .. Entries(), .. Numbers(), .. Sizes(), .. Layouts()];

    private static IEnumerable<MalformedFile> Lengths()
    {
        yield return Case("no bytes", [], "0 bytes", "8 bytes");
        yield return Case("half a length", [2, 0, 0, 0], "4 bytes", "8 bytes");
        yield return Case("a length alone", Length(2), "length is 2", "only 0 bytes follow", "truncated");
        yield return Case("a cut header", [.. Length(2), .. "{"u8], "length is 2", "only 1 bytes follow", "truncated");
        yield return Case("above the limit", [.. Length(100_000_001), .. "{}"u8], "100000001", "at most 100000000");
        yield return Case("the limit, cut", [.. Length(100_000_000), .. "{}"u8], "only 2 bytes follow", "truncated");
        yield return Case("negative as signed", [.. Length(1UL << 63), .. "{}"u8], "9223372036854775808", "at most");
        yield return Case("the largest length", [.. Length(ulong.MaxValue), .. "{}"u8], "18446744073709551615");
        yield return Case("a zip archive", [.. "PK\u0003\u0004\0\0\b\b"u8, 0, 0], "byte 0", "no safetensors file");
        yield return Case("no header", Length(0), "header byte 0", "nothing", "'{' (0x7b)");

        static MalformedFile Case(string name, byte[] bytes, params string[] message) => new(name, bytes, message);
    }

    private static IEnumerable<MalformedFile> Encodings()
    {
        yield return new("a space first", " {}", "header byte 0", "0x20", "'{' (0x7b)");
        yield return new("a byte order mark", "\ufeff{}", "header byte 0", "0xef");
        yield return new("an array", "[]", "header byte 0", "0x5b");
        yield return Raw("an overlong zero", "{\"a", [0xc0, 0x80], "\":1}", "header byte 3", "0xc0", "UTF-8");
        yield return Raw("a surrogate in UTF-8", "{\"é", [0xed, 0xa0, 0x80], "\":1}", "header byte 4", "0xed", "UTF-8");
        yield return Raw("a cut character", "{}", [0xe2, 0x82], "", "header byte 2", "0xe2", "UTF-8");
        yield return new("half a pair as a name", """{"\ud800":1}""", "header byte 1", "surrogate");
        yield return new("half a pair as a value", """{"__metadata__":{"k":"\udc00"}}""", "byte 21", "surrogate");
        yield return new("half a pair as a dtype", """{"a":{"dtype":"\ud800"}}""", "tensor 'a'", "surrogate");
        yield return new("a line feed after the JSON", "{}\n", "header byte 2", "0x0a follows", "only spaces (0x20)");
        yield return new("a zero after the JSON", "{} \0 ", "header byte 2", "0x20 follows", "only spaces (0x20)");
        yield return new("a second object", "{}{}", "header byte 2", "0x7b follows");

        static MalformedFile Raw(string name, string before, byte[] bytes, string after, params string[] message)
        {
            byte[] json = [.. Encoding.UTF8.GetBytes(before), .. bytes, .. Encoding.UTF8.GetBytes(after)];
            return new(name, SafetensorsBytes.File(json, 4), message);
        }
    }

    private static IEnumerable<MalformedFile> Json()
    {
        yield return new("JSON that ends early", $$"""{"a":{{Good}}""", "invalid JSON");
        yield return new("a comma at the end", $$"""{"a":{{Good}},}""", "invalid JSON");
        yield return new("no comma", $$"""{"a":{{Good}} "b":{{Good}}}""", "invalid JSON");
        yield return new("a comment", $$"""{/**/"a":{{Good}}}""", "invalid JSON", "header byte 1");
        yield return new("single quotes", "{'a':1}", "invalid JSON", "header byte 1");
        yield return new("a control character in a string", "{\"a\n\":1}", "invalid JSON");
        yield return new("an escape that JSON lacks", """{"\x41":1}""", "invalid JSON");
        yield return new("a key without a value", """{"a"}""", "invalid JSON");
        yield return new("a key that is a number", "{1:1}", "invalid JSON");
        yield return Entry("arrays in a shape", """{"shape":[[1]]}""", "shape", "StartArray", "an integer");
        yield return Entry("objects in a shape", """{"shape":[{"a":{}}]}""", "shape", "StartObject", "an integer");
        yield return Entry("deep arrays", "{\"dtype\":" + new string('[', 10_000), "dtype", "StartArray", "a string");
    }

    private static IEnumerable<MalformedFile> Metadata()
    {
        yield return Case("metadata null", "null", "Null", "an object of strings");
        yield return Case("metadata array", "[]", "StartArray", "an object of strings");
        yield return Case("metadata with a number", """{"k":1}""", "'k'", "Number", "a string");
        yield return Case("metadata with null", """{"k":null}""", "'k'", "Null", "a string");
        yield return Case("metadata with an object", """{"k":{}}""", "'k'", "StartObject", "a string");
        yield return Case("a metadata key twice", """{"k":"1","k":"2"}""", "'k'", "twice");
        yield return Case("a metadata key twice, once escaped", """{"k":"1","\u006b":"2"}""", "'k'", "twice");
        yield return Case("metadata twice", """{},"__metadata__":{}""", "twice");

        static MalformedFile Case(string name, string metadata, params string[] message) =>
            new(name, $$"""{"__metadata__":{{metadata}}}""", ["__metadata__", "header byte", .. message]);
    }

    private static IEnumerable<MalformedFile> Entries()
    {
        yield return Entry("an entry that is a number", "1", "Number", "an object of dtype, shape and data_offsets");
        yield return Entry("an entry that is null", "null", "Null", "an object");
        yield return Entry("an entry that is an array", "[]", "StartArray", "an object");
        yield return Entry("an entry that is a string", "\"\"", "String", "an object");
        yield return Entry("an entry of nothing", "{}", "'dtype' is missing");
        yield return Entry("no dtype", """{"shape":[4],"data_offsets":[0,4]}""", "'dtype' is missing");
        yield return Entry("no shape", """{"dtype":"U8","data_offsets":[0,4]}""", "'shape' is missing");
        yield return Entry("no data_offsets", """{"dtype":"U8","shape":[4]}""", "'data_offsets' is missing");
        yield return Entry("an unknown field", """{"dtype":"U8","x":1}""", "'x'", "unknown", "allowed are dtype");
        yield return Entry("a field of another case", """{"Dtype":"U8"}""", "'Dtype'", "unknown");
        yield return Entry("dtype twice", """{"dtype":"U8","dtype":"U8"}""", "'dtype'", "twice");
        yield return Entry("shape twice", """{"shape":[],"shape":[4]}""", "'shape'", "twice");
        yield return Entry("offsets twice", """{"data_offsets":[0,4],"\u0064ata_offsets":[0,4]}""", "twice");
        yield return Entry("dtype null", """{"dtype":null}""", "dtype", "Null", "a string");
        yield return Entry("dtype number", """{"dtype":6}""", "dtype", "Number", "a string");
        yield return Entry("dtype unknown", """{"dtype":"F128"}""", "'F128'", "allowed are BOOL, F4", "U64");
        yield return Entry("dtype of another case", """{"dtype":"f32"}""", "'f32'", "allowed are");
        yield return Entry("dtype with a control character", """{"dtype":"F\u000032"}""", """'F\u000032'""");
        yield return Entry("shape null", """{"shape":null}""", "shape", "Null", "an array of integers");
        yield return Entry("shape number", """{"shape":4}""", "shape", "Number", "an array of integers");
        yield return Entry("offsets object", """{"data_offsets":{}}""", "data_offsets", "StartObject", "an array");
        yield return new("a name twice", $$"""{"a":{{Good}},"a":{{Good}}}""", "tensor 'a'", "twice");
        yield return new("a name twice, once escaped", $$"""{"a":{{Good}},"\u0061":{{Good}}}""", "tensor 'a'", "twice");
    }

    private static IEnumerable<MalformedFile> Numbers()
    {
        string[] numbers = ["-1", "-0", "1.0", "0.5", "1e1", "1E400", "9223372036854775808", "18446744073709551616"];
        foreach (var number in numbers)
        {
            string[] message = [$"holds '{number}'", "integers from 0 to 9223372036854775807"];
            yield return Entry($"a size of {number}", $$"""{"shape":[{{number}}]}""", ["shape", .. message]);
            yield return Entry($"an end of {number}", $$"""{"data_offsets":[0,{{number}}]}""", ["offsets", .. message]);
        }

        yield return Entry("a size that is a string", """{"shape":["4"]}""", "String", "an integer");
        yield return Entry("a size that is null", """{"shape":[null]}""", "Null", "an integer");
        yield return Entry("a size that is true", """{"shape":[true]}""", "True", "an integer");
        yield return Entry("a size with a leading zero", """{"shape":[04]}""", "invalid JSON");
        yield return Entry("a size in base 16", """{"shape":[0x4]}""", "invalid JSON");
        yield return Entry("a size of NaN", """{"shape":[NaN]}""", "invalid JSON");
    }

    private static IEnumerable<MalformedFile> Sizes()
    {
        yield return Case("no offsets", "U8", "4", "", "0 numbers", "two");
        yield return Case("one offset", "U8", "4", "4", "1 numbers", "two");
        yield return Case("three offsets", "U8", "4", "0,4,4", "3 numbers", "two");
        yield return Case("an end before the begin", "U8", "4", "4,0", "[4, 0]", "begin after their end");
        yield return Case("too few bytes", "F32", "2", "0,4", "F32 [2] takes 8 bytes", "[0, 4] are 4");
        yield return Case("too many bytes", "U8", "3", "0,4", "U8 [3] takes 3 bytes", "[0, 4] are 4");
        yield return Case("a scalar of no bytes", "U8", "", "0,0", "U8 [] takes 1 bytes", "are 0");
        yield return Case("a zero size with bytes", "U8", "0,4", "0,4", "U8 [0, 4] takes 0 bytes", "are 4");
        yield return Case("a product that wraps to 4", "U8", "4611686018427387905,4", "0,4", "too large", "854775807");
        yield return Case("a product that wraps to 0", "U8", "4294967296,4294967296", "0,0", "too large");
        yield return Case("a product behind a zero", "U8", "0,4294967296,4294967296", "0,0", "too large");
        yield return Case("bits that wrap to 0", "F32", "4611686018427387904", "0,0", "18446744073709551616 bytes");
        yield return Case("8 EB", "U8", "9223372036854775807", "0,9223372036854775807", "4 bytes of data", "truncated");
        yield return Case("half a byte", "F4", "9", "0,4", "F4 [9] takes 36 bits", "whole bytes");
        yield return Case("a part of three bytes", "F6_E2M3", "5", "0,4", "F6_E2M3 [5] takes 30 bits", "whole bytes");
        yield return Case("a long shape", "U8", string.Join(',', Enumerable.Repeat(2, 40)), "0,4", "40 dimensions]");

        static MalformedFile Case(string name, string dtype, string shape, string offsets, params string[] message) =>
            Entry(name, $$"""{"dtype":"{{dtype}}","shape":[{{shape}}],"data_offsets":[{{offsets}}]}""", message);
    }

    private static IEnumerable<MalformedFile> Layouts()
    {
        yield return Case("a hole at the begin", 6, [(2, 6)], "tensor 'a'", "[2, 6]", "begins at 0", "leaves a hole");
        yield return Case("a hole", 9, [(0, 4), (5, 9)], "tensor 'b'", "[5, 9]", "'a' before it ends at 4", "a hole");
        yield return Case("an overlap", 6, [(0, 4), (2, 6)], "tensor 'b'", "[2, 6]", "'a' before it", "overlaps");
        yield return Case("an overlap backwards", 6, [(2, 6), (0, 4)], "tensor 'a'", "'b' before it", "overlaps");
        yield return Case("two tensors at one place", 4, [(0, 4), (0, 4)], "[0, 4]", "overlaps");
        yield return Case("a tensor within another", 4, [(0, 4), (1, 3)], "tensor 'b'", "overlaps");
        yield return Case("an empty tensor within another", 4, [(0, 4), (2, 2)], "tensor 'b'", "[2, 2]", "overlaps");
        yield return Case("an empty tensor behind the end", 4, [(0, 4), (5, 5)], "tensor 'b'", "leaves a hole");
        yield return Case("cut data", 7, [(0, 4), (4, 8)], "tensor 'b'", "[4, 8]", "7 bytes of data", "truncated");
        yield return Case("data that nobody owns", 9, [(0, 4), (4, 8)], "data byte 8", "9 bytes of data", "belong to");
        yield return Case("data without tensors", 1, [], "data byte 0", "1 bytes of data");

        static MalformedFile Case(string name, int length, (int Begin, int End)[] tensors, params string[] message)
        {
            var entries = tensors.Select(
                (tensor, i) =>
                    SafetensorsBytes.Entry(
                        $"{(char)('a' + i)}",
                        "U8",
                        $"{tensor.End - tensor.Begin}",
                        tensor.Begin,
                        tensor.End
                    )
            );
            return new(name, SafetensorsBytes.File([.. entries], length), message);
        }
    }

    private static MalformedFile Entry(string name, string entry, params string[] message) =>
        new(name, $$"""{"a":{{entry}}}""", ["tensor 'a'", .. message]);

    private static byte[] Length(ulong length) => BitConverter.GetBytes(length);
}
