// Calls of the exports of int8 rows, their products and linear layers with an int8 weight.
#include "hardening/export_calls.h"

namespace nbit::test
{
namespace
{

constexpr int32_t byte = NBIT_DATA_TYPE_UINT8, int8 = NBIT_DATA_TYPE_INT8, int32 = NBIT_DATA_TYPE_INT32;
constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32;

float threshold(Arguments& a) { return a.choices().below(2) ? 0 : a.number(0.5f, 2); }

Call rows8_quantize(Arguments& a)
{
    const int32_t type = a.number_type();
    const auto [rows, columns] = a.shape();
    const float limit = threshold(a);
    const void* const source = a.read({type, saturated_product(rows, columns)});
    auto* const codes = a.written<int8_t>({int8, saturated_product(rows, columns)});
    auto* const absmax = a.written<float>({float32, rows, Contents::any, true});
    auto* const flags = limit != 0 || a.choices().below(2) ? a.written<uint8_t>({byte, columns}) : nullptr;
    return [=](nbit_context* context) {
        return nbit_rows8_quantize(context, type, source, rows, columns, limit, codes, absmax, flags);
    };
}

Call rows8_dequantize(Arguments& a)
{
    const int32_t type = a.number_type();
    const auto [rows, columns] = a.shape();
    const auto* const codes = a.read<int8_t>({int8, saturated_product(rows, columns)});
    const auto* const absmax = a.read<float>({float32, rows, Contents::any, true});
    void* const target = a.written({type, saturated_product(rows, columns)});
    return [=](nbit_context* context) {
        return nbit_rows8_dequantize(context, codes, absmax, rows, columns, type, target);
    };
}

Call columns8_quantize(Arguments& a)
{
    const int32_t type = a.number_type();
    const auto [rows, columns] = a.shape();
    const void* const source = a.read({type, saturated_product(rows, columns)});
    const auto* const left_out = a.read_or_null<uint8_t>({byte, columns});
    auto* const codes = a.written<int8_t>({int8, saturated_product(rows, columns)});
    auto* const absmax = a.written<float>({float32, columns, Contents::any, true});
    return [=](nbit_context* context) {
        return nbit_columns8_quantize(context, type, source, rows, columns, left_out, codes, absmax);
    };
}

// Of a product.
struct Extents {
    int64_t m, n, k;
};

Extents extents(Arguments& a)
{
    if (a.is_large()) return {65 + a.choices().below(40), 300 + a.choices().below(40), 300 + a.choices().below(40)};
    const auto [m, n, k] = a.extents<3>({40, 80, a.choices().below(32) ? 300 : 131071});
    return {m, n, k};
}

Call int8_multiply(Arguments& a)
{
    const Extents e = extents(a);
    const auto* const left = a.read<int8_t>({int8, saturated_product(e.m, e.k)});
    const auto* const right = a.read<int8_t>({int8, saturated_product(e.n, e.k)});
    auto* const product = a.written<int32_t>({int32, saturated_product(e.m, e.n), Contents::any, true});
    return [=](nbit_context* context) { return nbit_int8_multiply(context, left, right, e.m, e.n, e.k, product); };
}

Call int8_product_dequantize(Arguments& a)
{
    const auto [m, n] = a.shape();
    const auto* const product = a.read<int32_t>({int32, saturated_product(m, n), Contents::any, true});
    const auto* const rows = a.read<float>({float32, m, Contents::any, true});
    const auto* const columns = a.read<float>({float32, n, Contents::any, true});
    const BiasArgument bias = bias_argument(a, n);
    const int32_t type = a.number_type();
    void* const target = a.written({type, saturated_product(m, n)});
    return [=](nbit_context* context) {
        return nbit_int8_product_dequantize(context, product, m, n, rows, columns, bias.type, bias.elements, type,
                                            target);
    };
}

Call int8_multiply_dequantize(Arguments& a)
{
    const Extents e = extents(a);
    const auto* const left = a.read<int8_t>({int8, saturated_product(e.m, e.k)});
    const auto* const rows = a.read<float>({float32, e.m, Contents::any, true});
    const auto* const right = a.read<int8_t>({int8, saturated_product(e.n, e.k)});
    const auto* const columns = a.read<float>({float32, e.n, Contents::any, true});
    const BiasArgument bias = bias_argument(a, e.n);
    const int32_t type = a.number_type();
    void* const target = a.written({type, saturated_product(e.m, e.n)});
    return [=](nbit_context* context) {
        return nbit_int8_multiply_dequantize(context, left, rows, right, columns, e.m, e.n, e.k, bias.type,
                                             bias.elements, type, target);
    };
}

Call linear8_forward(Arguments& a)
{
    const auto [rows, out_features, in_features] = extents(a);
    const auto* const codes = a.read<int8_t>({int8, saturated_product(out_features, in_features)});
    const auto* const absmax = a.read<float>({float32, out_features, Contents::any, true});
    const int32_t type = a.number_type();
    const void* const x = a.read({type, saturated_product(rows, in_features)});
    const float limit = threshold(a);
    const BiasArgument bias = bias_argument(a, out_features);
    void* const y = a.written({type, saturated_product(rows, out_features)});
    return [=](nbit_context* context) {
        return nbit_linear8_forward(context, codes, absmax, out_features, in_features, type, x, rows, limit, bias.type,
                                    bias.elements, y);
    };
}

Call linear8_backward(Arguments& a)
{
    const auto [rows, out_features, in_features] = extents(a);
    const auto* const codes = a.read<int8_t>({int8, saturated_product(out_features, in_features)});
    const auto* const absmax = a.read<float>({float32, out_features, Contents::any, true});
    const int32_t type = a.number_type();
    const void* const grad_y = a.read({type, saturated_product(rows, out_features)});
    void* const grad_x = a.written({type, saturated_product(rows, in_features)});
    return [=](nbit_context* context) {
        return nbit_linear8_backward(context, codes, absmax, out_features, in_features, type, grad_y, rows, grad_x);
    };
}

} // namespace

std::vector<ExportCall> int8_calls()
{
    return {{"nbit_rows8_quantize", rows8_quantize},
            {"nbit_rows8_dequantize", rows8_dequantize},
            {"nbit_columns8_quantize", columns8_quantize},
            {"nbit_int8_multiply", int8_multiply},
            {"nbit_int8_product_dequantize", int8_product_dequantize},
            {"nbit_int8_multiply_dequantize", int8_multiply_dequantize},
            {"nbit_linear8_forward", linear8_forward},
            {"nbit_linear8_backward", linear8_backward, Same::on_every_number_of_threads}};
}

} // namespace nbit::test
