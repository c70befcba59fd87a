using NBit.Devices;
using NBit.Native;
using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>8-bit quantization of rows, and exact products of the codes.</summary>
internal static unsafe class Rows8
{
    public static Int8Rows Quantize(Tensor source, double threshold)
    {
        ArgumentNullException.ThrowIfNull(source);
        Blocks4.CheckFloating(source, nameof(source));
        CheckMatrix(source, nameof(source));
        CheckThreshold(threshold);
        var (rows, columns) = (source.shape[0], source.shape[1]);
        using var scope = NewDisposeScope();
        var codes = empty([rows, columns], ScalarType.Int8, source.device);
        var absmax = empty([rows], ScalarType.Float32, source.device);
        var outliers = threshold > 0 ? empty([columns], ScalarType.Byte, source.device) : null;
        using var sourceMemory = DenseTensor.Of(source, nameof(source));
        using var codeMemory = DenseTensor.New(codes);
        using var absmaxMemory = DenseTensor.New(absmax);
        using var outlierMemory = DenseTensor.New(outliers);
        DeviceCall.Run(
            context =>
                Libnbit.nbit_rows8_quantize(
                    context,
                    (int)source.dtype,
                    sourceMemory.Address,
                    rows,
                    columns,
                    (float)threshold,
                    (sbyte*)codeMemory.Address,
                    (float*)absmaxMemory.Address,
                    (byte*)outlierMemory.Address
                ),
            sourceMemory,
            codeMemory,
            absmaxMemory,
            outlierMemory
        );
        return new Int8Rows(codes, absmax, outliers?.nonzero().view(-1)).MoveToOuterDisposeScope();
    }

    public static Tensor Dequantize(Tensor codes, Tensor rowAbsmax, ScalarType dtype)
    {
        CheckCodes(codes, nameof(codes));
        CheckAbsmax(rowAbsmax, codes.shape[0], nameof(rowAbsmax));
        using var codeMemory = DenseTensor.Of(codes, nameof(codes));
        using var absmaxMemory = DenseTensor.Of(rowAbsmax, nameof(rowAbsmax));
        using var scope = NewDisposeScope();
        var target = empty(codes.shape, dtype, codes.device);
        using var targetMemory = DenseTensor.New(target);
        DeviceCall.Run(
            context =>
                Libnbit.nbit_rows8_dequantize(
                    context,
                    (sbyte*)codeMemory.Address,
                    (float*)absmaxMemory.Address,
                    codes.shape[0],
                    codes.shape[1],
                    (int)dtype,
                    targetMemory.Address
                ),
            codeMemory,
            absmaxMemory,
            targetMemory
        );
        return target.MoveToOuterDisposeScope();
    }

    public static Tensor Multiply(Tensor a, Tensor b)
    {
        CheckCodes(a, nameof(a));
        CheckCodes(b, nameof(b));
        if (a.shape[1] != b.shape[1])
        {
            throw new ArgumentException(
                $"a is [{string.Join(", ", a.shape)}] and b [{string.Join(", ", b.shape)}]; their columns must agree",
                nameof(b)
            );
        }

        using var aMemory = DenseTensor.Of(a, nameof(a));
        using var bMemory = DenseTensor.Of(b, nameof(b));
        using var scope = NewDisposeScope();
        var product = empty([a.shape[0], b.shape[0]], ScalarType.Int32, a.device);
        using var productMemory = DenseTensor.New(product);
        DeviceCall.Run(
            context =>
                Libnbit.nbit_int8_multiply(
                    context,
                    (sbyte*)aMemory.Address,
                    (sbyte*)bMemory.Address,
                    a.shape[0],
                    b.shape[0],
                    a.shape[1],
                    (int*)productMemory.Address
                ),
            aMemory,
            bMemory,
            productMemory
        );
        return product.MoveToOuterDisposeScope();
    }

    public static Tensor DequantizeProduct(
        Tensor product,
        Tensor rowAbsmax,
        Tensor columnAbsmax,
        Tensor? bias,
        ScalarType dtype
    )
    {
        ArgumentNullException.ThrowIfNull(product);
        CheckMatrix(product, nameof(product));
        if (product.dtype != ScalarType.Int32)
        {
            throw new ArgumentException($"product is {product.dtype}; it must be Int32", nameof(product));
        }

        CheckAbsmax(rowAbsmax, product.shape[0], nameof(rowAbsmax));
        CheckAbsmax(columnAbsmax, product.shape[1], nameof(columnAbsmax));
        CheckBias(bias, product.shape[1]);
        using var productMemory = DenseTensor.Of(product, nameof(product));
        using var rowMemory = DenseTensor.Of(rowAbsmax, nameof(rowAbsmax));
        using var columnMemory = DenseTensor.Of(columnAbsmax, nameof(columnAbsmax));
        using var biasMemory = DenseTensor.Of(bias, nameof(bias));
        using var scope = NewDisposeScope();
        var target = empty(product.shape, dtype, product.device);
        using var targetMemory = DenseTensor.New(target);
        DeviceCall.Run(
            context =>
                Libnbit.nbit_int8_product_dequantize(
                    context,
                    (int*)productMemory.Address,
                    product.shape[0],
                    product.shape[1],
                    (float*)rowMemory.Address,
                    (float*)columnMemory.Address,
                    (int)(bias?.dtype ?? ScalarType.Float32),
                    biasMemory.Address,
                    (int)dtype,
                    targetMemory.Address
                ),
            productMemory,
            rowMemory,
            columnMemory,
            biasMemory,
            targetMemory
        );
        return target.MoveToOuterDisposeScope();
    }

    /// <exception cref="ArgumentException">It is no int8 matrix.</exception>
    public static void CheckCodes(Tensor codes, string name)
    {
        ArgumentNullException.ThrowIfNull(codes, name);
        CheckMatrix(codes, name);
        if (codes.dtype != ScalarType.Int8)
        {
            throw new ArgumentException($"{name} is {codes.dtype}; it must be Int8", name);
        }
    }

    /// <exception cref="ArgumentException">It is not float32 with that many elements.</exception>
    public static void CheckAbsmax(Tensor absmax, long count, string name)
    {
        ArgumentNullException.ThrowIfNull(absmax, name);
        if (absmax.dtype != ScalarType.Float32 || absmax.numel() != count)
        {
            throw new ArgumentException(
                $"{name} is {absmax.dtype} of {absmax.numel()} elements; it must be Float32 of {count}",
                name
            );
        }
    }

    /// <exception cref="ArgumentOutOfRangeException">It is negative or not finite.</exception>
    public static void CheckThreshold(double threshold)
    {
        if (!double.IsFinite(threshold) || threshold < 0)
        {
            throw new ArgumentOutOfRangeException(
                nameof(threshold),
                threshold,
                "allowed are 0 (no outliers) and above"
            );
        }
    }

    /// <exception cref="ArgumentException">It is not float32, float16 or bfloat16 [count].</exception>
    public static void CheckBias(Tensor? bias, long count)
    {
        if (
            bias is not null
            && (
                bias.dim() != 1
                || bias.shape[0] != count
                || bias.dtype is not (ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16)
            )
        )
        {
            throw new ArgumentException(
                $"the bias is {bias.dtype} [{string.Join(", ", bias.shape)}]; a layer of {count} outputs takes Float32, "
                    + $"Float16 or BFloat16 [{count}]",
                nameof(bias)
            );
        }
    }

    private static void CheckMatrix(Tensor tensor, string name)
    {
        if (tensor.dim() != 2)
        {
            throw new ArgumentException(
                $"{name} is [{string.Join(", ", tensor.shape)}]; it must be a matrix: flatten the leading dimensions",
                name
            );
        }
    }
}
