using System.Text;
using System.Text.Json;
using NBit.Checkpoints;

namespace NBit.Tests.Checkpoints;

public sealed class StrictJsonTests
{
    private static readonly byte[][] NoText =
    [
        [(byte)'"', 0xff, (byte)'"'],
        [(byte)'"', 0xed, 0xa0, 0x80, (byte)'"'],
        "[\"\\ud800\"]"u8.ToArray(),
        "{\"\\udc00\":1}"u8.ToArray(),
        "{\"a\":1,\"a\":2}"u8.ToArray(),
        "[1,]"u8.ToArray(),
        [],
    ];

    [Test]
    public void What_is_no_text_is_refused_when_it_is_parsed([Range(0, 6)] int index) =>
        Assert.That(() => StrictJson.Parse(NoText[index]), Throws.InstanceOf<JsonException>());

    [Test]
    public void A_byte_order_mark_is_left_out([Values("", "\ufeff")] string mark)
    {
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes(mark + "\"\\ud83d\\ude00\""));
        using var document = StrictJson.Read(stream);
        Assert.That(document.RootElement.GetString(), Is.EqualTo("😀"));
    }
}
