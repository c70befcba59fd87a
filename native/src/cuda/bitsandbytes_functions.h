// The functions of libbitsandbytes_cuda*.so that NBit calls. On an error they end the process, so nothing invalid may
// reach them.
#pragma once
#include "cpu/optimizers.h"
#include "cuda/runtime_functions.h"

namespace nbit::cuda
{

// One function an element type, in the order of number_formats.
template <class Signature> using OfFormat = ForeignFunction<Signature>[number_format_count];

struct BitsandbytesFunctions {
    // 8-bit codes in blocks: code[256], source, absmax, codes, blocksize, count; on the legacy default stream.
    OfFormat<void(const float*, const void*, float*, uint8_t*, int32_t, int32_t)> quantize8;
    // The same for fp4 and nf4, whose code is null.
    OfFormat<void(const float*, const void*, float*, uint8_t*, int32_t, int32_t)> quantize4[2];
    // code, codes, absmax, target, blocksize, count, stream.
    OfFormat<void(const float*, const uint8_t*, const float*, void*, int32_t, int32_t, Stream)> dequantize8;
    OfFormat<void(const float*, const uint8_t*, const float*, void*, int32_t, int32_t, Stream)> dequantize4[2];
    // x[M, K], packed weight[N, K / 2], absmax, absmax codes, their book, their offset, y, bias, M, N, K, blocksize,
    // quant_type, stream.
    OfFormat<void(const void*, const uint8_t*, const float*, const uint8_t*, const float*, const float*, void*,
                  const void*, int32_t, int32_t, int32_t, int32_t, int32_t, Stream)>
        multiply4;
    // m = out_features, n = 1, k = in_features, x, packed weight, absmax, table[16], y, lda, ldb, ldc, blocksize,
    // stream.
    OfFormat<void(int32_t, int32_t, int32_t, const void*, const uint8_t*, const float*, const float*, void*, int32_t,
                  int32_t, int32_t, int32_t, Stream)>
        multiply4_row;

    // A handle for multiply8, which belongs to the device that is current.
    ForeignFunction<void*()> create_handle;
    // handle, m, n, k, a, b, c, row scale, lda, ldb, ldc, stream; column-major c[k, n] = a[m, k]^T b[m, n]. 0 is
    // success, 100 that this device cannot.
    ForeignFunction<int32_t(void*, int32_t, int32_t, int32_t, const int8_t*, const int8_t*, void*, const float*,
                            int32_t, int32_t, int32_t, Stream)>
        multiply8;
    // product, row absmax, column absmax, target, bias, rows, columns, stream.
    ForeignFunction<void(const int32_t*, const float*, const float*, void*, const void*, int32_t, int32_t, Stream)>
        dequantize_product8;
    // source, codes, row absmax, threshold, rows, columns, stream.
    ForeignFunction<void(const void*, int8_t*, float*, float, int32_t, int32_t, Stream)> quantize_rows8;

    // gradient, parameter, state1, state2, unorm, max_unorm, norm of the parameter, beta1, beta2, beta3, alpha,
    // epsilon, weight decay, step, learning rate, gradient scale, skip zeros, count; on the legacy default stream.
    OfFormat<void(const void*, void*, float*, float*, float*, float, float, float, float, float, float, float, float,
                  int32_t, float, float, bool, int32_t)>
        step32[optimizer_count];
    // parameter, gradient (the other way round than above), state1, state2, beta1, beta2, beta3, alpha, epsilon, step,
    // learning rate, map1, map2, absmax1, absmax2, weight decay, gradient scale, skip zeros, count.
    OfFormat<void(void*, const void*, uint8_t*, uint8_t*, float, float, float, float, float, int32_t, float,
                  const float*, const float*, float*, float*, float, float, bool, int32_t)>
        step8[optimizer_count];

    // visit(function, its symbol, since which version), for all functions.
    template <class Visit> void for_each_function(Visit&& visit);
};

inline constexpr const char* format_suffixes[number_format_count] = {"fp32", "fp16", "bf16"};
inline constexpr const char* code4_suffixes[] = {"fp4", "nf4"}; // by quant_type - 1
inline constexpr const char* optimizer_names[optimizer_count] = {"adam",    "momentum", "lion",
                                                                 "rmsprop", "adagrad",  "ademamix"};
// Optimizers whose functions for float32 states are named by bits; bfloat16 they do not have.
constexpr bool is_named_by_bits(int32_t optimizer) noexcept
{
    return optimizer == NBIT_OPTIMIZER_MOMENTUM || optimizer == NBIT_OPTIMIZER_RMSPROP ||
           optimizer == NBIT_OPTIMIZER_ADAGRAD;
}

// Index into OfFormat of a type that has been checked.
constexpr int format_index(int32_t type) noexcept
{
    int i = 0;
    while (number_formats[i] != type)
        ++i;
    return i;
}

inline constexpr int float32_index = format_index(NBIT_DATA_TYPE_FLOAT32);

template <class Visit> void BitsandbytesFunctions::for_each_function(Visit&& visit)
{
    for (int f = 0; f < number_format_count; ++f) {
        const char* format = format_suffixes[f];
        visit(quantize8[f], text("cquantize_blockwise_%s", format), "0.45");
        visit(dequantize8[f], text("cdequantize_blockwise_%s", format), "0.45");
        for (int q = 0; q < 2; ++q) {
            visit(quantize4[q][f], text("cquantize_blockwise_%s_%s", format, code4_suffixes[q]), "0.45");
            visit(dequantize4[q][f], text("cdequantize_blockwise_%s_%s", format, code4_suffixes[q]), "0.45");
        }
        visit(multiply4[f], text("cgemm_4bit_%s", format), "0.50");
        visit(multiply4_row[f], text("cgemm_4bit_inference_naive_%s", format), "0.45");
        for (int o = 0; o < optimizer_count; ++o) {
            visit(step8[o][f], text("c%s_8bit_blockwise_grad_%s", optimizer_names[o], format), "0.45");
            if (!is_named_by_bits(o))
                visit(step32[o][f], text("c%s32bit_grad_%s", optimizer_names[o], format), "0.45");
            else if (number_formats[f] != NBIT_DATA_TYPE_BFLOAT16)
                visit(
                    step32[o][f],
                    text("c%s32bit_grad_%d", optimizer_names[o], number_formats[f] == NBIT_DATA_TYPE_FLOAT16 ? 16 : 32),
                    "0.45");
        }
    }
    visit(create_handle, text("get_context"), "0.45");
    visit(multiply8, text("cigemmlt_32"), "0.45");
    visit(dequantize_product8, text("cdequant_mm_int32_fp16"), "0.45");
    visit(quantize_rows8, text("cint8_vector_quant"), "0.45");
}

} // namespace nbit::cuda
