// Calls of the exports of casts, of blocks with an absmax and of linear layers with a 4-bit weight.
#include "hardening/export_calls.h"

#include <memory>

namespace nbit::test
{
namespace
{

constexpr int32_t byte = NBIT_DATA_TYPE_UINT8, float32 = NBIT_DATA_TYPE_FLOAT32;

int32_t quant_type(Arguments& a) { return a.one_of({NBIT_QUANT_TYPE_FP4, NBIT_QUANT_TYPE_NF4}); }

Call values_cast(Arguments& a)
{
    int32_t source_type = a.number_type();
    int32_t target_type = a.choices().below(2) ? a.number_type() : a.float8_type();
    if (a.choices().below(2)) std::swap(source_type, target_type);
    const int64_t count = a.count();
    const void* const source = a.read({source_type, count});
    void* const target = a.written({target_type, count});
    const auto* const scale = a.read_or_null<float>({float32, 1, Contents::scales, true});
    auto* const amax = a.choices().below(2) ? a.updated<float>({float32, 1, Contents::amax, true}) : nullptr;
    return [=](nbit_context* context) {
        return nbit_values_cast(context, source_type, source, count, target_type, target, scale, amax);
    };
}

Call codebook4_get_values(Arguments& a)
{
    const int32_t type = quant_type(a);
    auto* const values = a.written<float>({float32, 16, Contents::any, true});
    return [=](nbit_context*) { return nbit_codebook4_get_values(type, values); };
}

Call blocks4_quantize(Arguments& a)
{
    const int32_t code = quant_type(a), type = a.number_type();
    const int64_t count = a.count(), blocksize = a.power_of_two_blocksize();
    const void* const source = a.read({type, count});
    auto* const packed = a.written<uint8_t>({byte, block_count(count, 2)});
    auto* const absmax = a.written<float>({float32, block_count(count, blocksize), Contents::any, true});
    return [=](nbit_context* context) {
        return nbit_blocks4_quantize(context, code, type, source, count, blocksize, packed, absmax);
    };
}

// The absmax of so many blocks, plain or quantized itself.
struct AbsmaxArguments {
    const float* absmax;
    const uint8_t* codes;
    const float* book;
    const float* offset;
};

AbsmaxArguments absmax_arguments(Arguments& a, int64_t blocks)
{
    if (a.choices().below(2)) return {a.read<float>({float32, blocks, Contents::any, true}), nullptr, nullptr, nullptr};
    return {a.read<float>({float32, block_count(blocks, 256), Contents::any, true}), a.read<uint8_t>({byte, blocks}),
            a.read<float>({float32, 256, Contents::any, true}), a.read<float>({float32, 1, Contents::any, true})};
}

Call blocks4_dequantize(Arguments& a)
{
    const int32_t code = quant_type(a), type = a.number_type();
    const int64_t count = a.count(), blocksize = a.power_of_two_blocksize();
    const auto* const packed = a.read<uint8_t>({byte, block_count(count, 2)});
    const AbsmaxArguments m = absmax_arguments(a, block_count(count, blocksize));
    void* const target = a.written({type, count});
    return [=](nbit_context* context) {
        return nbit_blocks4_dequantize(context, code, packed, m.absmax, m.codes, m.book, m.offset, count, blocksize,
                                       type, target);
    };
}

struct Product4Arguments {
    int32_t code;
    int64_t blocksize, out_features, in_features, rows;
    const uint8_t* packed;
    AbsmaxArguments absmax;
};

Product4Arguments product4_arguments(Arguments& a)
{
    const int32_t code = quant_type(a);
    const int64_t blocksize = a.power_of_two_blocksize();
    const auto [out, in, rows] =
        a.is_large() ? std::array<int64_t, 3>{520, 710, 1 + a.choices().below(70)} : a.extents<3>({70, 300, 40});
    const int64_t count = saturated_product(out, in);
    const auto* const packed = a.read<uint8_t>({byte, block_count(count, 2)});
    return {code, blocksize, out, in, rows, packed, absmax_arguments(a, block_count(count, blocksize))};
}

Call linear4_forward(Arguments& a)
{
    const Product4Arguments p = product4_arguments(a);
    const int32_t type = a.number_type(), compute_type = a.number_type();
    const void* const x = a.read({type, saturated_product(p.rows, p.in_features)});
    const BiasArgument bias = bias_argument(a, p.out_features);
    void* const y = a.written({type, saturated_product(p.rows, p.out_features)});
    return [=](nbit_context* context) {
        return nbit_linear4_forward(context, p.code, p.packed, p.absmax.absmax, p.absmax.codes, p.absmax.book,
                                    p.absmax.offset, p.blocksize, p.out_features, p.in_features, type, x, p.rows,
                                    bias.type, bias.elements, compute_type, y);
    };
}

Call linear4_backward(Arguments& a)
{
    const Product4Arguments p = product4_arguments(a);
    const int32_t type = a.number_type(), compute_type = a.number_type();
    const void* const grad_y = a.read({type, saturated_product(p.rows, p.out_features)});
    void* const grad_x = a.written({type, saturated_product(p.rows, p.in_features)});
    return [=](nbit_context* context) {
        return nbit_linear4_backward(context, p.code, p.packed, p.absmax.absmax, p.absmax.codes, p.absmax.book,
                                     p.absmax.offset, p.blocksize, p.out_features, p.in_features, type, grad_y, p.rows,
                                     compute_type, grad_x);
    };
}

// Calls make a code in a place of their own, which they release.
Call codebook8_create(Arguments& a)
{
    const auto contents = a.has_fault(4) ? Contents::any : Contents::ascending;
    const auto* const values = a.read<float>({float32, 256, contents, true});
    const bool is_null = a.has_fault(8);
    return [=](nbit_context* context) {
        nbit_codebook8* book = nullptr;
        const int32_t status = nbit_codebook8_create(context, values, is_null ? nullptr : &book);
        nbit_codebook8_destroy(book);
        return status;
    };
}

Call codebook8_create_dynamic(Arguments& a)
{
    const int32_t is_signed = a.flag();
    const bool is_null = a.has_fault(8);
    return [=](nbit_context* context) {
        nbit_codebook8* book = nullptr;
        const int32_t status = nbit_codebook8_create_dynamic(context, is_signed, is_null ? nullptr : &book);
        nbit_codebook8_destroy(book);
        return status;
    };
}

Call codebook8_destroy(Arguments& a)
{
    const bool is_null = a.choices().below(2);
    return [=](nbit_context* context) {
        nbit_codebook8* book = nullptr;
        const int32_t status = is_null ? 0 : nbit_codebook8_create_dynamic(context, 1, &book);
        return status ? status : nbit_codebook8_destroy(book);
    };
}

Call codebook8_get_values(Arguments& a)
{
    const nbit_codebook8* const book = a.codebook();
    auto* const values = a.written<float>({float32, 256, Contents::any, true});
    return [=](nbit_context*) { return nbit_codebook8_get_values(book, values); };
}

// Any, most of them powers of two.
int64_t blocksize8(Arguments& a)
{
    return a.choices().below(4) ? a.power_of_two_blocksize() : 1 + a.choices().below(300);
}

Call blocks8_quantize(Arguments& a)
{
    const nbit_codebook8* const book = a.codebook();
    const int32_t type = a.number_type();
    const int64_t count = a.count(), blocksize = blocksize8(a);
    const void* const source = a.read({type, count});
    auto* const codes = a.written<uint8_t>({byte, count});
    auto* const absmax = a.written<float>({float32, block_count(count, blocksize), Contents::any, true});
    return [=](nbit_context* context) {
        return nbit_blocks8_quantize(context, book, type, source, count, blocksize, codes, absmax);
    };
}

Call blocks8_dequantize(Arguments& a)
{
    const nbit_codebook8* const book = a.codebook();
    const int32_t type = a.number_type();
    const int64_t count = a.count(), blocksize = blocksize8(a);
    const auto* const codes = a.read<uint8_t>({byte, count});
    const auto* const absmax = a.read<float>({float32, block_count(count, blocksize), Contents::any, true});
    void* const target = a.written({type, count});
    return [=](nbit_context* context) {
        return nbit_blocks8_dequantize(context, book, codes, absmax, count, blocksize, type, target);
    };
}

Call absmax_quantize(Arguments& a)
{
    const nbit_codebook8* const book = a.codebook();
    const int64_t count = a.count(), blocksize = a.power_of_two_blocksize();
    const auto* const absmax = a.read<float>({float32, count, Contents::any, true});
    const auto* const given = a.read_or_null<float>({float32, 1, Contents::any, true});
    auto* const codes = a.written<uint8_t>({byte, count});
    auto* const nested = a.written<float>({float32, block_count(count, blocksize), Contents::any, true});
    auto* const offset = a.written<float>({float32, 1, Contents::any, true});
    return [=](nbit_context* context) {
        return nbit_absmax_quantize(context, book, absmax, count, blocksize, given, codes, nested, offset);
    };
}

Call absmax_dequantize(Arguments& a)
{
    const int64_t count = a.count(), blocksize = a.power_of_two_blocksize();
    const auto* const book = a.read<float>({float32, 256, Contents::any, true});
    const auto* const codes = a.read<uint8_t>({byte, count});
    const auto* const nested = a.read<float>({float32, block_count(count, blocksize), Contents::any, true});
    const auto* const offset = a.read<float>({float32, 1, Contents::any, true});
    auto* const absmax = a.written<float>({float32, count, Contents::any, true});
    return [=](nbit_context* context) {
        return nbit_absmax_dequantize(context, book, codes, nested, offset, count, blocksize, absmax);
    };
}

} // namespace

std::vector<ExportCall> block_calls()
{
    return {{"nbit_values_cast", values_cast},
            {"nbit_codebook4_get_values", codebook4_get_values},
            {"nbit_blocks4_quantize", blocks4_quantize},
            {"nbit_blocks4_dequantize", blocks4_dequantize},
            {"nbit_linear4_forward", linear4_forward, Same::on_every_number_of_threads},
            {"nbit_linear4_backward", linear4_backward, Same::on_every_number_of_threads},
            {"nbit_codebook8_create", codebook8_create},
            {"nbit_codebook8_create_dynamic", codebook8_create_dynamic},
            {"nbit_codebook8_destroy", codebook8_destroy},
            {"nbit_codebook8_get_values", codebook8_get_values},
            {"nbit_blocks8_quantize", blocks8_quantize},
            {"nbit_blocks8_dequantize", blocks8_dequantize},
            {"nbit_absmax_quantize", absmax_quantize},
            {"nbit_absmax_dequantize", absmax_dequantize}};
}

} // namespace nbit::test
