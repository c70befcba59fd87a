// Calls of the exports of float8 and of matrices with scales.
#include "base/data_type.h"
#include "hardening/export_calls.h"

namespace nbit::test
{
namespace
{

constexpr int32_t byte = NBIT_DATA_TYPE_UINT8, float32 = NBIT_DATA_TYPE_FLOAT32;

Call amax_compute(Arguments& a)
{
    const int32_t type = a.number_type();
    const int64_t count = a.count();
    const void* const source = a.read({type, count});
    auto* const amax = a.written<float>({float32, 1, Contents::any, true});
    return [=](nbit_context* context) { return nbit_amax_compute(context, type, source, count, amax); };
}

Call scale_compute(Arguments& a)
{
    const int32_t format = a.float8_type(), power_of_two = a.flag();
    const float epsilon = a.number(0, 0.1f);
    const int64_t count = a.size(300);
    const auto* const amax = a.read<float>({float32, count, Contents::any, true});
    auto* const scale = a.written<float>({float32, count, Contents::any, true});
    auto* const inverse = a.written<float>({float32, count, Contents::any, true});
    return [=](nbit_context* context) {
        return nbit_scale_compute(context, format, power_of_two, epsilon, amax, count, scale, inverse);
    };
}

Call amax_history_update(Arguments& a)
{
    const int32_t rule =
        a.one_of({NBIT_HISTORY_RULE_FUSED, NBIT_HISTORY_RULE_SINGLE_TENSOR, NBIT_HISTORY_RULE_UNFUSED});
    const int32_t algorithm = a.one_of({NBIT_AMAX_ALGORITHM_MAX, NBIT_AMAX_ALGORITHM_MOST_RECENT});
    const int32_t format = a.float8_type();
    const float margin = a.number(-3, 3);
    const auto [drawn, columns] = a.extents<2>({40, 70});
    const int64_t length = a.has_fault(8) ? drawn : std::max<int64_t>(drawn, 1);
    auto* const history = a.updated<float>({float32, saturated_product(length, columns), Contents::any, true});
    auto* const scale = a.updated<float>({float32, columns, Contents::scales, true});
    return [=](nbit_context* context) {
        return nbit_amax_history_update(context, rule, algorithm, format, margin, history, length, columns, scale);
    };
}

Call float8_quantize(Arguments& a)
{
    const int32_t type = a.number_type(), format = a.float8_type();
    const auto [rows, columns] = a.shape();
    const int64_t count = saturated_product(rows, columns), which = a.choices().below(3);
    const void* const source = a.read({type, count});
    const auto* const scale = a.read_or_null<float>({float32, 1, Contents::scales, true});
    auto* const codes = which != 1 ? a.written<uint8_t>({byte, count}) : nullptr;
    auto* const transposed = which != 0 ? a.written<uint8_t>({byte, count}) : nullptr;
    auto* const inverse = a.choices().below(2) ? a.written<float>({float32, 1, Contents::any, true}) : nullptr;
    auto* const amax = a.choices().below(2) ? a.updated<float>({float32, 1, Contents::amax, true}) : nullptr;
    return [=](nbit_context* context) {
        return nbit_float8_quantize(context, type, source, rows, columns, format, scale, codes, transposed, inverse,
                                    amax);
    };
}

// The scales of a matrix, by nbit_scaling.
Elements scales_of(int32_t scaling, int64_t rows, int64_t columns)
{
    const auto blocks = [&](int64_t height, int64_t width) {
        return saturated_product(block_count(rows, height), block_count(columns, width));
    };
    switch (scaling) {
    case NBIT_SCALING_MXFP8_1X32:
        return {NBIT_DATA_TYPE_FLOAT8_E8M0FNU, blocks(1, 32)};
    case NBIT_SCALING_MXFP8_32X1:
        return {NBIT_DATA_TYPE_FLOAT8_E8M0FNU, blocks(32, 1)};
    case NBIT_SCALING_MXFP8_32X32:
        return {NBIT_DATA_TYPE_FLOAT8_E8M0FNU, blocks(32, 32)};
    case NBIT_SCALING_FLOAT8_1X128:
        return {float32, blocks(1, 128), Contents::any, true};
    case NBIT_SCALING_FLOAT8_128X128:
        return {float32, blocks(128, 128), Contents::any, true};
    case NBIT_SCALING_NVFP4_1X16:
        return {NBIT_DATA_TYPE_FLOAT8_E4M3FN, blocks(1, 16)};
    default:
        return {float32, 1, Contents::any, true};
    }
}

Elements codes_of(int32_t scaling, int64_t rows, int64_t columns)
{
    return {byte, saturated_product(rows, scaling == NBIT_SCALING_NVFP4_1X16 ? block_count(columns, 2) : columns)};
}

Call mxfp8_quantize(Arguments& a)
{
    const int32_t type = a.number_type(), format = a.float8_type();
    const int32_t scaling = a.one_of({NBIT_SCALING_MXFP8_1X32, NBIT_SCALING_MXFP8_32X1, NBIT_SCALING_MXFP8_32X32});
    const auto [rows, columns] = a.shape();
    const void* const source = a.read({type, saturated_product(rows, columns)});
    auto* const codes = a.written<uint8_t>(codes_of(scaling, rows, columns));
    auto* const scales = a.written<uint8_t>(scales_of(scaling, rows, columns));
    return [=](nbit_context* context) {
        return nbit_mxfp8_quantize(context, type, source, rows, columns, format, scaling, codes, scales);
    };
}

Call float8_block_quantize(Arguments& a)
{
    const int32_t type = a.number_type(), format = a.float8_type();
    const int32_t transpose = a.flag(), power_of_two = a.flag();
    const int32_t scaling = a.one_of({NBIT_SCALING_FLOAT8_1X128, NBIT_SCALING_FLOAT8_128X128});
    const float epsilon = a.number(0, 0.1f);
    const auto [rows, columns] = a.shape();
    const auto [height, width] = transpose == 1 ? Shape{columns, rows} : Shape{rows, columns};
    const void* const source = a.read({type, saturated_product(rows, columns)});
    auto* const codes = a.written<uint8_t>(codes_of(scaling, height, width));
    auto* const scales = a.written<float>(scales_of(scaling, height, width));
    return [=](nbit_context* context) {
        return nbit_float8_block_quantize(context, type, source, rows, columns, transpose, format, scaling,
                                          power_of_two, epsilon, codes, scales);
    };
}

Call nvfp4_quantize(Arguments& a)
{
    constexpr int32_t scaling = NBIT_SCALING_NVFP4_1X16;
    const int32_t type = a.number_type(), transpose = a.flag();
    const int64_t block_rows = a.one_of({1, 16});
    const auto [rows, columns] = a.shape();
    const auto [height, width] = transpose == 1 ? Shape{columns, rows} : Shape{rows, columns};
    const void* const source = a.read({type, saturated_product(rows, columns)});
    const auto* const amax = a.read<float>({float32, 1, Contents::amax, true});
    const auto* const seed = a.read_or_null<uint64_t>({NBIT_DATA_TYPE_INT64, 1, Contents::any, true});
    auto* const codes = a.written<uint8_t>(codes_of(scaling, height, width));
    auto* const scales = a.written<uint8_t>(scales_of(scaling, height, width));
    return [=](nbit_context* context) {
        return nbit_nvfp4_quantize(context, type, source, rows, columns, transpose, block_rows, amax, seed, codes,
                                   scales);
    };
}

Call hadamard_transform(Arguments& a)
{
    constexpr int32_t type = NBIT_DATA_TYPE_BFLOAT16;
    const auto [rows, columns] = a.shape();
    const auto* const source = a.read<uint16_t>({type, saturated_product(rows, columns), Contents::any, true});
    const int64_t padded = saturated_product(16, block_count(rows, 16));
    auto* const target = a.written<uint16_t>({type, saturated_product(padded, columns), Contents::any, true});
    return [=](nbit_context* context) { return nbit_hadamard_transform(context, source, rows, columns, target); };
}

// A scaled matrix that is read.
struct Operand {
    int32_t format, scaling;
    const uint8_t* codes;
    const void* scales;
    const float* amax;
};

Operand operand(Arguments& a, int64_t rows, int64_t columns)
{
    const int32_t scaling =
        a.one_of({NBIT_SCALING_TENSOR, NBIT_SCALING_MXFP8_1X32, NBIT_SCALING_MXFP8_32X1, NBIT_SCALING_MXFP8_32X32,
                  NBIT_SCALING_FLOAT8_1X128, NBIT_SCALING_FLOAT8_128X128, NBIT_SCALING_NVFP4_1X16});
    const bool is_nvfp4 = scaling == NBIT_SCALING_NVFP4_1X16;
    const int32_t format = is_nvfp4 ? a.one_of({NBIT_DATA_TYPE_FLOAT4_E2M1FN_X2}) : a.float8_type();
    return {format, scaling, a.read<uint8_t>(codes_of(scaling, rows, columns)),
            a.read(scales_of(scaling, rows, columns)),
            is_nvfp4 ? a.read<float>({float32, 1, Contents::amax, true}) : a.unread<float>()};
}

Call scaled_dequantize(Arguments& a)
{
    const auto [rows, columns] = a.shape();
    const Operand from = operand(a, rows, columns);
    const int32_t type = a.number_type();
    void* const target = a.written({type, saturated_product(rows, columns)});
    return [=](nbit_context* context) {
        return nbit_scaled_dequantize(context, from.format, from.scaling, from.codes, rows, columns, from.scales,
                                      from.amax, type, target);
    };
}

Call scaled_multiply(Arguments& a)
{
    const auto [m, n, k] =
        a.is_large() ? std::array<int64_t, 3>{100 + a.choices().below(60), 260, 270} : a.extents<3>({40, 80, 300});
    const int32_t turns_left = a.flag(), turns_right = a.flag();
    const Operand left = turns_left == 1 ? operand(a, k, m) : operand(a, m, k);
    const Operand right = turns_right == 1 ? operand(a, k, n) : operand(a, n, k);
    const BiasArgument bias = bias_argument(a, n);
    const int32_t accumulate = a.flag(), type = a.number_type();
    const Elements product{type, saturated_product(m, n)};
    void* const target = accumulate == 1 ? a.updated(product) : a.written(product);
    return [=](nbit_context* context) {
        return nbit_scaled_multiply(context, m, n, k, left.format, left.scaling, left.codes, left.scales, left.amax,
                                    turns_left, right.format, right.scaling, right.codes, right.scales, right.amax,
                                    turns_right, bias.type, bias.elements, accumulate, type, target);
    };
}

} // namespace

std::vector<ExportCall> float8_calls()
{
    return {{"nbit_amax_compute", amax_compute},
            {"nbit_scale_compute", scale_compute},
            {"nbit_amax_history_update", amax_history_update},
            {"nbit_float8_quantize", float8_quantize},
            {"nbit_mxfp8_quantize", mxfp8_quantize},
            {"nbit_float8_block_quantize", float8_block_quantize},
            {"nbit_nvfp4_quantize", nvfp4_quantize},
            {"nbit_hadamard_transform", hadamard_transform},
            {"nbit_scaled_dequantize", scaled_dequantize},
            {"nbit_scaled_multiply", scaled_multiply, Same::on_every_number_of_threads}};
}

} // namespace nbit::test
