using NBit.Native;

namespace NBit.Benchmarks.Casts;

/// <summary>IEEE 754 binary32, which holds every number of the small formats exactly.</summary>
internal sealed class SingleFormat() : Format("float32", nbit_data_type.NBIT_DATA_TYPE_FLOAT32, bytes: 4)
{
    public override double Largest => float.MaxValue;

    public override double Decode(uint bits) => BitConverter.UInt32BitsToSingle(bits);

    public override uint Encode(double number) => BitConverter.SingleToUInt32Bits((float)number);

    public override IEnumerable<float> Delicate() => [];
}
