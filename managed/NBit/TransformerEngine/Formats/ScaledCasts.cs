using NBit.Devices;
using NBit.Native;
using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>Casts of matrices to codes with scales.</summary>
internal static unsafe class ScaledCasts
{
    /// <summary>The largest number of an 8-bit format.</summary>
    public static float Maximum(CodeFormat format) => format == CodeFormat.E4M3 ? 448 : 57344;

    /// <summary>float32 [1]: max |source| without NaN.</summary>
    public static Tensor Amax(Tensor source)
    {
        using var scope = NewDisposeScope();
        var amax = empty([1], ScalarType.Float32, source.device);
        using var memory = DenseTensor.Of(source, nameof(source));
        using var amaxMemory = DenseTensor.New(amax);
        DeviceCall.Run(
            context =>
                Libnbit.nbit_amax_compute(
                    context,
                    (int)source.dtype,
                    memory.Address,
                    source.numel(),
                    (float*)amaxMemory.Address
                ),
            memory,
            amaxMemory
        );
        return amax.MoveToOuterDisposeScope();
    }

    /// <summary>float32 scales and their reciprocals by the rule of current scaling.</summary>
    public static (Tensor Scale, Tensor ScaleInverse) ScaleOf(
        Tensor amax,
        CodeFormat format,
        bool powerOf2,
        float epsilon
    )
    {
        using var scope = NewDisposeScope();
        var (scale, inverse) = (empty_like(amax), empty_like(amax));
        using var amaxMemory = DenseTensor.Of(amax, nameof(amax));
        using var scaleMemory = DenseTensor.New(scale);
        using var inverseMemory = DenseTensor.New(inverse);
        DeviceCall.Run(
            context =>
                Libnbit.nbit_scale_compute(
                    context,
                    (int)format,
                    powerOf2 ? 1 : 0,
                    epsilon,
                    (float*)amaxMemory.Address,
                    amax.numel(),
                    (float*)scaleMemory.Address,
                    (float*)inverseMemory.Address
                ),
            amaxMemory,
            scaleMemory,
            inverseMemory
        );
        return (scale.MoveToOuterDisposeScope(), inverse.MoveToOuterDisposeScope());
    }

    /// <summary>One scale for the matrix.</summary>
    /// <param name="source">[rows, columns].</param>
    /// <param name="format">E4M3 or E5M2.</param>
    /// <param name="scale">float32 [1]; null for 1.</param>
    /// <param name="amax">float32 [1] that becomes at least max |source|; null for none.</param>
    public static ScaledMatrix QuantizeTensor(Tensor source, CodeFormat format, Tensor? scale, Tensor? amax)
    {
        using var scope = NewDisposeScope();
        var (rows, columns) = (source.shape[0], source.shape[1]);
        var codes = empty([rows, columns], ScalarType.Byte, source.device);
        var inverse = empty([1], ScalarType.Float32, source.device);
        using var sourceMemory = DenseTensor.Of(source, nameof(source));
        using var codeMemory = DenseTensor.New(codes);
        using var inverseMemory = DenseTensor.New(inverse);
        using var scaleMemory = DenseTensor.Of(scale, nameof(scale));
        using var amaxMemory = amax is null
            ? DenseTensor.Of(null, nameof(amax))
            : DenseTensor.Target(amax, nameof(amax), ScalarType.Float32, 1);
        DeviceCall.Run(
            context =>
                Libnbit.nbit_float8_quantize(
                    context,
                    (int)source.dtype,
                    sourceMemory.Address,
                    rows,
                    columns,
                    (int)format,
                    (float*)scaleMemory.Address,
                    (byte*)codeMemory.Address,
                    transposed_codes: null,
                    (float*)inverseMemory.Address,
                    (float*)amaxMemory.Address
                ),
            sourceMemory,
            scaleMemory,
            codeMemory,
            inverseMemory,
            amaxMemory
        );
        return new(format, Scaling.Tensor, rows, columns, codes, inverse);
    }

    /// <summary>MXFP8.</summary>
    /// <param name="source">[rows, columns].</param>
    /// <param name="format">E4M3 or E5M2.</param>
    /// <param name="scaling">MXFP8Rows, MXFP8Columns or MXFP8Tiles.</param>
    public static ScaledMatrix QuantizeMXFP8(Tensor source, CodeFormat format, Scaling scaling)
    {
        using var scope = NewDisposeScope();
        var (rows, columns) = (source.shape[0], source.shape[1]);
        var codes = empty([rows, columns], ScalarType.Byte, source.device);
        var scales = empty(
            [
                scaling == Scaling.MXFP8Rows ? rows : Blocks(rows, 32),
                scaling == Scaling.MXFP8Columns ? columns : Blocks(columns, 32),
            ],
            ScalarType.Byte,
            source.device
        );
        using var sourceMemory = DenseTensor.Of(source, nameof(source));
        using var codeMemory = DenseTensor.New(codes);
        using var scaleMemory = DenseTensor.New(scales);
        DeviceCall.Run(
            context =>
                Libnbit.nbit_mxfp8_quantize(
                    context,
                    (int)source.dtype,
                    sourceMemory.Address,
                    rows,
                    columns,
                    (int)format,
                    (int)scaling,
                    (byte*)codeMemory.Address,
                    (byte*)scaleMemory.Address
                ),
            sourceMemory,
            codeMemory,
            scaleMemory
        );
        return new(format, scaling, rows, columns, codes, scales);
    }

    /// <summary>Float8 block scaling.</summary>
    /// <param name="source">[rows, columns].</param>
    /// <param name="transpose">Whether its transpose is quantized.</param>
    /// <param name="format">E4M3 or E5M2.</param>
    /// <param name="scaling">Float8Rows or Float8Tiles.</param>
    /// <param name="powerOf2">Whether scales are rounded down to powers of two.</param>
    /// <param name="epsilon">The least amax.</param>
    public static ScaledMatrix QuantizeFloat8Blocks(
        Tensor source,
        bool transpose,
        CodeFormat format,
        Scaling scaling,
        bool powerOf2,
        float epsilon
    )
    {
        using var scope = NewDisposeScope();
        var (rows, columns) = Stored(source, transpose);
        var codes = empty([rows, columns], ScalarType.Byte, source.device);
        var scales = empty(
            [scaling == Scaling.Float8Rows ? rows : Blocks(rows, 128), Blocks(columns, 128)],
            ScalarType.Float32,
            source.device
        );
        using var sourceMemory = DenseTensor.Of(source, nameof(source));
        using var codeMemory = DenseTensor.New(codes);
        using var scaleMemory = DenseTensor.New(scales);
        DeviceCall.Run(
            context =>
                Libnbit.nbit_float8_block_quantize(
                    context,
                    (int)source.dtype,
                    sourceMemory.Address,
                    source.shape[0],
                    source.shape[1],
                    transpose ? 1 : 0,
                    (int)format,
                    (int)scaling,
                    powerOf2 ? 1 : 0,
                    epsilon,
                    (byte*)codeMemory.Address,
                    (float*)scaleMemory.Address
                ),
            sourceMemory,
            codeMemory,
            scaleMemory
        );
        return new(format, scaling, rows, columns, codes, scales, isTransposed: transpose);
    }

    /// <summary>NVFP4.</summary>
    /// <param name="source">[rows, columns].</param>
    /// <param name="transpose">Whether its transpose is quantized.</param>
    /// <param name="tiles">Whether 16 rows share a scale.</param>
    /// <param name="seed">Of stochastic rounding; null to round to nearest.</param>
    /// <param name="amax">float32 [1] in place of the source's; or null.</param>
    public static ScaledMatrix QuantizeNVFP4(
        Tensor source,
        bool transpose,
        bool tiles,
        ulong? seed,
        Tensor? amax = null
    )
    {
        using var scope = NewDisposeScope();
        return QuantizeNVFP4(source, transpose, tiles, seed, amax?.clone() ?? Amax(source), isTransposed: transpose);
    }

    /// <summary>NVFP4 of the transpose after <see cref="HadamardTransform" />, whose amax counts.</summary>
    /// <param name="source">[rows, columns]; rounded to bfloat16 first.</param>
    /// <param name="seed">Of stochastic rounding; null to round to nearest.</param>
    public static ScaledMatrix QuantizeTransformedNVFP4(Tensor source, ulong? seed)
    {
        using var scope = NewDisposeScope();
        var transformed = HadamardTransform(source.to(ScalarType.BFloat16));
        return QuantizeNVFP4(transformed, transpose: false, tiles: false, seed, Amax(transformed), isTransposed: true);
    }

    /// <summary>The transpose of a bfloat16 matrix, its rows transformed in pieces of 16 and padded to whole ones.</summary>
    public static Tensor HadamardTransform(Tensor source)
    {
        using var scope = NewDisposeScope();
        var (rows, columns) = (source.shape[0], source.shape[1]);
        var target = empty([columns, 16 * Blocks(rows, 16)], ScalarType.BFloat16, source.device);
        using var sourceMemory = DenseTensor.Of(source, nameof(source));
        using var targetMemory = DenseTensor.New(target);
        DeviceCall.Run(
            context =>
                Libnbit.nbit_hadamard_transform(
                    context,
                    (ushort*)sourceMemory.Address,
                    rows,
                    columns,
                    (ushort*)targetMemory.Address
                ),
            sourceMemory,
            targetMemory
        );
        return target.MoveToOuterDisposeScope();
    }

    private static ScaledMatrix QuantizeNVFP4(
        Tensor source,
        bool transpose,
        bool tiles,
        ulong? seed,
        Tensor amax,
        bool isTransposed
    )
    {
        using var scope = NewDisposeScope();
        var (rows, columns) = Stored(source, transpose);
        var codes = empty([rows, Blocks(columns, 2)], ScalarType.Byte, source.device);
        var scales = empty([rows, Blocks(columns, 16)], ScalarType.Byte, source.device);
        using var sourceMemory = DenseTensor.Of(source, nameof(source));
        using var codeMemory = DenseTensor.New(codes);
        using var amaxMemory = DenseTensor.Of(amax, nameof(amax));
        using var scaleMemory = DenseTensor.New(scales);
        DeviceCall.Run(
            context =>
            {
                var roundingSeed = seed ?? 0;
                return Libnbit.nbit_nvfp4_quantize(
                    context,
                    (int)source.dtype,
                    sourceMemory.Address,
                    source.shape[0],
                    source.shape[1],
                    transpose ? 1 : 0,
                    tiles ? 16 : 1,
                    (float*)amaxMemory.Address,
                    seed is null ? null : &roundingSeed,
                    (byte*)codeMemory.Address,
                    (byte*)scaleMemory.Address
                );
            },
            sourceMemory,
            amaxMemory,
            codeMemory,
            scaleMemory
        );
        return new(CodeFormat.E2M1, Scaling.NVFP4Rows, rows, columns, codes, scales, amax, isTransposed);
    }

    private static (long Rows, long Columns) Stored(Tensor source, bool transpose) =>
        transpose ? (source.shape[1], source.shape[0]) : (source.shape[0], source.shape[1]);

    private static long Blocks(long count, long size) => (count + size - 1) / size;
}
