using NBit.Devices;
using NBit.Native;
using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>The products of LLM.int8() (arXiv:2208.07339), with their gradients.</summary>
internal static unsafe class Int8Products
{
    /// <summary>A weight in 8 bits, rounded to float16 first as bitsandbytes does.</summary>
    public static Int8Rows QuantizeWeight(Tensor weight)
    {
        Blocks4.CheckFloating(weight, nameof(weight));
        using var scope = NewDisposeScope();
        return Functional.Int8VectorwiseQuantize(weight.detach().to(ScalarType.Float16)).MoveToOuterDisposeScope();
    }

    /// <summary>x @ weight^T + bias, of x's dtype.</summary>
    public static Tensor Forward(Tensor codes, Tensor rowAbsmax, Tensor input, Tensor? bias, double threshold)
    {
        using var scope = NewDisposeScope();
        var x = LinearInput.Supported(input);
        bias = LinearInput.SupportedBias(bias);
        var (outFeatures, inFeatures) = (codes.shape[0], codes.shape[1]);
        using var xMemory = DenseTensor.Of(x, nameof(input));
        using var biasMemory = DenseTensor.Of(bias, nameof(bias));
        using var codeMemory = DenseTensor.Of(codes, nameof(codes));
        using var absmaxMemory = DenseTensor.Of(rowAbsmax, nameof(rowAbsmax));
        var y = empty([.. x.shape[..^1], outFeatures], x.dtype, x.device);
        using var yMemory = DenseTensor.New(y);
        if (
            !DeviceCall.TryRun(
                context =>
                    Libnbit.nbit_linear8_forward(
                        context,
                        (sbyte*)codeMemory.Address,
                        (float*)absmaxMemory.Address,
                        outFeatures,
                        inFeatures,
                        (int)x.dtype,
                        xMemory.Address,
                        x.numel() / inFeatures,
                        (float)threshold,
                        (int)(bias?.dtype ?? x.dtype),
                        biasMemory.Address,
                        yMemory.Address
                    ),
                xMemory,
                biasMemory,
                codeMemory,
                absmaxMemory,
                yMemory
            )
        )
        {
            y.copy_(ForwardInParts(codes, rowAbsmax, x.reshape(-1, inFeatures), bias, threshold).view(y.shape));
        }

        return (x.dtype == input.dtype ? y : y.to(input.dtype)).MoveToOuterDisposeScope();
    }

    /// <summary>gradient @ weight, the weight dequantized to the gradient's dtype.</summary>
    public static Tensor InputGradient(Tensor codes, Tensor rowAbsmax, Tensor gradient)
    {
        using var scope = NewDisposeScope();
        var g = LinearInput.Supported(gradient);
        var (outFeatures, inFeatures) = (codes.shape[0], codes.shape[1]);
        using var gMemory = DenseTensor.Of(g, nameof(gradient));
        using var codeMemory = DenseTensor.Of(codes, nameof(codes));
        using var absmaxMemory = DenseTensor.Of(rowAbsmax, nameof(rowAbsmax));
        var result = empty([.. g.shape[..^1], inFeatures], g.dtype, g.device);
        using var resultMemory = DenseTensor.New(result);
        if (
            !DeviceCall.TryRun(
                context =>
                    Libnbit.nbit_linear8_backward(
                        context,
                        (sbyte*)codeMemory.Address,
                        (float*)absmaxMemory.Address,
                        outFeatures,
                        inFeatures,
                        (int)g.dtype,
                        gMemory.Address,
                        g.numel() / outFeatures,
                        resultMemory.Address
                    ),
                gMemory,
                codeMemory,
                absmaxMemory,
                resultMemory
            )
        )
        {
            result.copy_(g.matmul(Rows8.Dequantize(codes, rowAbsmax, g.dtype)));
        }

        return (g.dtype == gradient.dtype ? result : result.to(gradient.dtype)).MoveToOuterDisposeScope();
    }

    /// <summary>gradient^T @ x in 8 bits, both quantized by columns; outlier columns of x in floating point.</summary>
    /// <remarks>
    /// bitsandbytes multiplies a gradient that was quantized by rows with the scales of its columns, which is off by 20 to
    /// 35 %; here codes and scales belong together.
    /// </remarks>
    /// <returns>[out, in], of <paramref name="dtype" />.</returns>
    public static Tensor WeightGradient(Tensor gradient, Tensor input, double threshold, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var g = gradient.reshape(-1, gradient.shape[^1]).to(ScalarType.Float16);
        var x = input.reshape(-1, input.shape[^1]).to(ScalarType.Float16);
        using var rows = threshold > 0 ? Functional.Int8VectorwiseQuantize(x, threshold) : null;
        var outliers = rows?.OutlierColumns is { } columns && columns.numel() > 0 ? columns : null;
        var leftOut = outliers is null
            ? null
            : zeros([x.shape[1]], ScalarType.Byte, x.device).index_fill_(0, outliers, 1);
        var (gCodes, gAbsmax) = QuantizeColumns(g, leftOut: null);
        var (xCodes, xAbsmax) = QuantizeColumns(x, leftOut);
        var result = MultiplyDequantize(gCodes, gAbsmax, xCodes, xAbsmax);
        if (outliers is not null)
        {
            var exact = g.to(ScalarType.Float32).t().mm(x.index_select(1, outliers).to(ScalarType.Float32));
            result.index_copy_(1, outliers, exact);
        }

        return (dtype == ScalarType.Float32 ? result : result.to(dtype)).MoveToOuterDisposeScope();
    }

    /// <summary>The steps of the forward pass for x [rows, in], one by one, each where it can run: [rows, out], float32.</summary>
    internal static Tensor ForwardInParts(Tensor codes, Tensor rowAbsmax, Tensor x, Tensor? bias, double threshold)
    {
        using var scope = NewDisposeScope();
        var half = x.to(ScalarType.Float16);
        using var rows = Rows8.Quantize(half, threshold);
        var product = Rows8.Multiply(rows.Codes, codes);
        var y = Rows8.DequantizeProduct(product, rows.RowAbsmax, rowAbsmax, bias, ScalarType.Float32);
        if (rows.OutlierColumns is { } outliers && outliers.numel() > 0)
        {
            var columns = codes.index_select(1, outliers).to(ScalarType.Float32) * rowAbsmax.unsqueeze(1) * (1 / 127f);
            y += half.index_select(1, outliers).to(ScalarType.Float32).matmul(columns.t());
        }

        return y.MoveToOuterDisposeScope();
    }

    private static (Tensor Codes, Tensor Absmax) QuantizeColumns(Tensor source, Tensor? leftOut)
    {
        var (rows, columns) = (source.shape[0], source.shape[1]);
        var codes = empty([columns, rows], ScalarType.Int8, source.device);
        var absmax = empty([columns], ScalarType.Float32, source.device);
        using var sourceMemory = DenseTensor.Of(source, nameof(source));
        using var leftOutMemory = DenseTensor.Of(leftOut, nameof(leftOut));
        using var codeMemory = DenseTensor.New(codes);
        using var absmaxMemory = DenseTensor.New(absmax);
        DeviceCall.Run(
            context =>
                Libnbit.nbit_columns8_quantize(
                    context,
                    (int)source.dtype,
                    sourceMemory.Address,
                    rows,
                    columns,
                    (byte*)leftOutMemory.Address,
                    (sbyte*)codeMemory.Address,
                    (float*)absmaxMemory.Address
                ),
            sourceMemory,
            leftOutMemory,
            codeMemory,
            absmaxMemory
        );
        return (codes, absmax);
    }

    private static Tensor MultiplyDequantize(Tensor a, Tensor aAbsmax, Tensor b, Tensor bAbsmax)
    {
        using var aMemory = DenseTensor.Of(a, nameof(a));
        using var aAbsmaxMemory = DenseTensor.Of(aAbsmax, nameof(aAbsmax));
        using var bMemory = DenseTensor.Of(b, nameof(b));
        using var bAbsmaxMemory = DenseTensor.Of(bAbsmax, nameof(bAbsmax));
        var result = empty([a.shape[0], b.shape[0]], ScalarType.Float32, a.device);
        using var resultMemory = DenseTensor.New(result);
        DeviceCall.Run(
            context =>
                Libnbit.nbit_int8_multiply_dequantize(
                    context,
                    (sbyte*)aMemory.Address,
                    (float*)aAbsmaxMemory.Address,
                    (sbyte*)bMemory.Address,
                    (float*)bAbsmaxMemory.Address,
                    a.shape[0],
                    b.shape[0],
                    a.shape[1],
                    bias_type: (int)ScalarType.Float32,
                    bias: null,
                    (int)ScalarType.Float32,
                    resultMemory.Address
                ),
            aMemory,
            aAbsmaxMemory,
            bMemory,
            bAbsmaxMemory,
            resultMemory
        );
        return result;
    }
}
