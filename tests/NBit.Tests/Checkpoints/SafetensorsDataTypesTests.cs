using NBit.Checkpoints;
using static TorchSharp.torch;

namespace NBit.Tests.Checkpoints;

public sealed class SafetensorsDataTypesTests
{
    [TestCase(SafetensorsDataType.Bool, "BOOL", 8, 11)]
    [TestCase(SafetensorsDataType.Float4, "F4", 4, null)]
    [TestCase(SafetensorsDataType.Float6E2M3, "F6_E2M3", 6, null)]
    [TestCase(SafetensorsDataType.Float6E3M2, "F6_E3M2", 6, null)]
    [TestCase(SafetensorsDataType.UInt8, "U8", 8, 0)]
    [TestCase(SafetensorsDataType.Int8, "I8", 8, 1)]
    [TestCase(SafetensorsDataType.Float8E5M2, "F8_E5M2", 8, 23)]
    [TestCase(SafetensorsDataType.Float8E4M3, "F8_E4M3", 8, 24)]
    [TestCase(SafetensorsDataType.Float8E8M0, "F8_E8M0", 8, 44)]
    [TestCase(SafetensorsDataType.Float8E4M3Fnuz, "F8_E4M3FNUZ", 8, 26)]
    [TestCase(SafetensorsDataType.Float8E5M2Fnuz, "F8_E5M2FNUZ", 8, 25)]
    [TestCase(SafetensorsDataType.Int16, "I16", 16, 2)]
    [TestCase(SafetensorsDataType.UInt16, "U16", 16, 27)]
    [TestCase(SafetensorsDataType.Float16, "F16", 16, 5)]
    [TestCase(SafetensorsDataType.BFloat16, "BF16", 16, 15)]
    [TestCase(SafetensorsDataType.Int32, "I32", 32, 3)]
    [TestCase(SafetensorsDataType.UInt32, "U32", 32, 28)]
    [TestCase(SafetensorsDataType.Float32, "F32", 32, 6)]
    [TestCase(SafetensorsDataType.Complex64, "C64", 64, 9)]
    [TestCase(SafetensorsDataType.Float64, "F64", 64, 7)]
    [TestCase(SafetensorsDataType.Int64, "I64", 64, 4)]
    [TestCase(SafetensorsDataType.UInt64, "U64", 64, 29)]
    public void A_type_has_the_format_s_name_its_size_and_libtorch_s_number(
        SafetensorsDataType type,
        string code,
        int bits,
        int? libtorch
    )
    {
        Assert.That(type.Code(), Is.EqualTo(code));
        Assert.That(type.BitsPerElement(), Is.EqualTo(bits));
        Assert.That(type.ToScalarType(), Is.EqualTo((ScalarType?)libtorch));
        if (type.ToScalarType() is { } scalarType)
        {
            using var tensor = empty(1, scalarType);
            Assert.That(tensor.element_size() * 8, Is.EqualTo(bits));
            Assert.That(SafetensorsDataTypes.FromScalarType(scalarType), Is.EqualTo(type));
        }
    }

    [Test]
    public void The_table_above_is_complete()
    {
        const string table = nameof(A_type_has_the_format_s_name_its_size_and_libtorch_s_number);
        var cases = typeof(SafetensorsDataTypesTests)
            .GetMethod(table)!
            .GetCustomAttributes(inherit: false)
            .OfType<TestCaseAttribute>()
            .Select(attribute => attribute.Arguments[0]);

        Assert.That(cases, Is.EquivalentTo(Enum.GetValues<SafetensorsDataType>()));
    }

    [TestCase(ScalarType.ComplexFloat64)]
    [TestCase(ScalarType.QInt8)]
    [TestCase((ScalarType)8)] // complex32
    [TestCase((ScalarType)45)] // float4_e2m1fn_x2
    public void What_the_format_lacks_has_no_type(ScalarType type) =>
        Assert.That(SafetensorsDataTypes.FromScalarType(type), Is.Null);
}
