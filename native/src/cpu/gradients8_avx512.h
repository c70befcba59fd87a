// Gradients of int8 linear layers with AVX-512, compiled with and without the bfloat16 instructions.
//
// The rows of the weight are the depth of this product, and its columns those of the tile: codes are dequantized in the
// order in which they lie. Two rows make the dwords of bfloat16.
#pragma once
#include "cpu/elements.h"
#include "cpu/gradients8.h"
#include "cpu/numbers_avx512.h"
#include "cpu/packed_product_avx512.h"
#include "cpu/rows8.h"

namespace nbit::NBIT_AVX512
{
namespace
{

static_assert(panel_rows8 == tile_rows && block_rows8 == most_packed_rows && block_columns8 == packed_group);

inline __m512 rounded_to(__m512 x, const float*) { return x; }
inline __m512 rounded_to(__m512 x, const Float16*)
{
    return _mm512_cvtph_ps(_mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
inline __m512 rounded_to(__m512 x, const BFloat16*)
{
    return _mm512_castsi512_ps(_mm512_and_si512(rounded_to_bfloat16(x), _mm512_set1_epi32(~0xffff)));
}

// 16 numbers, 0 beyond `count`.
inline __m512 dequantized16(const int8_t* codes, int64_t count, float absmax)
{
    if (count <= 0) return _mm512_setzero_ps();
    const auto lanes = static_cast<__mmask16>(count >= 16 ? 0xffff : (1u << count) - 1);
    const __m512 numbers = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(lanes, codes)));
    return _mm512_mul_ps(_mm512_mul_ps(numbers, _mm512_set1_ps(absmax)), _mm512_set1_ps(one_int8_step));
}

// Products in float32 of operands that are rounded to T.
template <class T> struct GradientProduct8 {
    using Product = Float32Product;
    using Element = float;

    static void load(const T* from, int64_t count, float* to)
    {
        int64_t i = 0;
        for (; i + 16 <= count; i += 16)
            _mm512_storeu_ps(to + i, load16(from + i));
        for (; i < count; ++i)
            to[i] = to_float(load_element<T>(from, i));
    }
    static void fill(const WeightColumns8& weight, int64_t column, int columns, int64_t first, int64_t count,
                     int32_t* tile)
    {
        for (int64_t o = first; o < first + count; ++o, tile += tile_columns) {
            const int8_t* codes = weight.codes + o * weight.stride + column;
            for (int i = 0; i < tile_columns; i += 16)
                _mm512_store_ps(tile + i, rounded_to(dequantized16(codes + i, columns - i, weight.absmax[o]),
                                                     static_cast<const T*>(nullptr)));
        }
    }
};

#if defined(__AVX512BF16__)
template <> struct GradientProduct8<BFloat16> {
    using Product = BFloat16Product;
    using Element = BFloat16;

    static void load(const BFloat16* from, int64_t count, BFloat16* to)
    {
        std::memcpy(static_cast<void*>(to), static_cast<const void*>(from), static_cast<size_t>(count) * sizeof(*to));
    }

    static __m512i row(const WeightColumns8& weight, int64_t o, int64_t column, int columns)
    {
        if (o >= weight.rows) return _mm512_setzero_si512();
        const int8_t* codes = weight.codes + o * weight.stride + column;
        return to_bfloat16(dequantized16(codes, columns, weight.absmax[o]),
                           dequantized16(codes + 16, columns - 16, weight.absmax[o]));
    }
    static void fill(const WeightColumns8& weight, int64_t column, int columns, int64_t first, int64_t count,
                     int32_t* tile)
    {
        const __m512i low = _mm512_load_si512(zip.low), high = _mm512_load_si512(zip.high);
        for (int64_t d = first; d < first + count; ++d, tile += tile_columns) {
            const __m512i even = row(weight, 2 * d, column, columns), odd = row(weight, 2 * d + 1, column, columns);
            _mm512_store_si512(tile, _mm512_permutex2var_epi16(even, low, odd));
            _mm512_store_si512(tile + 16, _mm512_permutex2var_epi16(even, high, odd));
        }
    }
};
#endif

template <class T>
void pack_gradient8(const void* gradient, int64_t rows, int64_t columns, const Panels8& range, std::byte* packed)
{
    using Element = typename GradientProduct8<T>::Element;
    const auto* from = static_cast<const T*>(gradient);
    pack_panels<Element>(RowPanels(static_cast<int>(rows), tile_rows), static_cast<int>(range.first),
                         static_cast<int>(range.last), columns, reinterpret_cast<int32_t*>(packed),
                         [&](int row, int64_t first, int64_t count, Element* to) {
                             GradientProduct8<T>::load(from + row * columns + first, count, to);
                         });
}

template <class T>
void multiply_gradient8(const std::byte* packed, int64_t rows, const WeightColumns8& weight, void* to, int64_t stride,
                        std::byte* workspace)
{
    using Gradient = GradientProduct8<T>;
    if (weight.rows == 0) { // no register tile would store its sums
        for (int64_t r = 0; r < rows; ++r)
            std::memset(static_cast<void*>(static_cast<T*>(to) + r * stride), 0,
                        static_cast<size_t>(weight.columns) * sizeof(T));
        return;
    }
    const auto fill = [&](int64_t column, int columns, int64_t first, int64_t count, int32_t* tile) {
        Gradient::fill(weight, column, columns, first, count, tile);
    };
    const auto finish = [&](int row, int64_t column, int count, const float* sums) {
        auto* target = static_cast<T*>(to) + row * stride + column;
        int i = 0;
        for (; i + tile_size <= count; i += tile_size)
            store_tile(target + i, load_tile(sums + i), false);
        if (i == count) return;
        alignas(cache_line) T numbers[tile_size];
        store_tile(numbers, load_tile(sums + i), false);
        std::memcpy(static_cast<void*>(target + i), numbers, static_cast<size_t>(count - i) * sizeof(T));
    };
    packed_product<typename Gradient::Product>(reinterpret_cast<const int32_t*>(packed), static_cast<int>(rows),
                                               dwords_of<typename Gradient::Element>(weight.rows), 0, weight.columns,
                                               fill, finish, workspace);
}

inline int64_t gradient_workspace8_bytes(int64_t rows)
{
    return packed_product_workspace(static_cast<int>(rows)) * static_cast<int64_t>(sizeof(int32_t));
}

} // namespace

constinit const Gradients8Table gradients8 = {
    gradient_workspace8_bytes,
    make_format_kernels<PackGradient8>([]<class T> { return pack_gradient8<T>; }),
    make_format_kernels<MultiplyGradient8>([]<class T> { return multiply_gradient8<T>; }),
};

} // namespace nbit::NBIT_AVX512
