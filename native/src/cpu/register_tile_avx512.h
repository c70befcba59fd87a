// The register tile of every packed product: c[rows x 32] (+)= a[rows x depth] * b[depth x 32].
//
// A dword of depth is 4 bytes of one row of a or column of b: one float, two bfloat16 or four int8.
//   a: [depth][rows] dwords, read by broadcast; b: [depth][32] dwords, two vectors a step.
// 14 rows x 2 vectors are 28 accumulators, which with 2 vectors of b and one broadcast fill the 32 registers: 16 loads
// for 28 products, and more independent chains than the latency of a product needs.
#pragma once
#include "cpu/common_avx512.h"

#include <utility>

namespace nbit::NBIT_AVX512
{
namespace
{

constexpr int tile_rows = 14;
constexpr int tile_columns = 32;
// 192 x 32 dwords are 24 KiB: b stays in a first-level cache of 32 KiB while a streams past it.
constexpr int64_t tile_depth = 192;

struct Float32Product {
    using Sum = float;
    using Accumulator = __m512;
    static Accumulator zero() { return _mm512_setzero_ps(); }
    static Accumulator step(Accumulator c, __m512i a, __m512i b)
    {
        return _mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), c);
    }
    static void store(Sum* c, Accumulator sum, bool accumulate)
    {
        _mm512_storeu_ps(c, accumulate ? _mm512_add_ps(sum, _mm512_loadu_ps(c)) : sum);
    }
};

#if defined(__AVX512BF16__)
// Takes denormals of a and b for zero, whatever the floating-point mode is.
struct BFloat16Product : Float32Product {
    static Accumulator step(Accumulator c, __m512i a, __m512i b)
    {
        return _mm512_dpbf16_ps(c, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
    }
};
#endif

// VPDPBUSD multiplies unsigned by signed and does not saturate: b holds w + 128, a signed numbers, and the caller
// subtracts 128 times the sum of the row of a.
struct Int8Product {
    using Sum = int32_t;
    using Accumulator = __m512i;
    static Accumulator zero() { return _mm512_setzero_si512(); }
    static Accumulator step(Accumulator c, __m512i a, __m512i b) { return _mm512_dpbusd_epi32(c, b, a); }
    static void store(Sum* c, Accumulator sum, bool accumulate)
    {
        _mm512_storeu_si512(c, accumulate ? _mm512_add_epi32(sum, _mm512_loadu_si512(c)) : sum);
    }
};

template <class Product, int rows>
void multiply_tile(int64_t depth, const int32_t* a, const int32_t* b, typename Product::Sum* c, int64_t c_stride,
                   bool accumulate)
{
    typename Product::Accumulator left[rows], right[rows];
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
        left[r] = right[r] = Product::zero();
    for (int64_t d = 0; d < depth; ++d) {
        const __m512i b0 = _mm512_load_si512(b), b1 = _mm512_load_si512(b + 16);
#pragma GCC unroll 16
        for (int r = 0; r < rows; ++r) {
            const __m512i x = _mm512_set1_epi32(a[r]);
            left[r] = Product::step(left[r], x, b0);
            right[r] = Product::step(right[r], x, b1);
        }
        a += rows;
        b += tile_columns;
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
        Product::store(c + r * c_stride, left[r], accumulate);
        Product::store(c + r * c_stride + 16, right[r], accumulate);
    }
}

template <class Product>
using MultiplyTile = void (*)(int64_t depth, const int32_t* a, const int32_t* b, typename Product::Sum* c,
                              int64_t c_stride, bool accumulate);

// A tile for each number of rows, so that no padding is ever multiplied.
template <class Product, int... rows>
inline MultiplyTile<Product> tile_for_rows(int wanted, std::integer_sequence<int, rows...>)
{
    static constexpr MultiplyTile<Product> tiles[] = {multiply_tile<Product, rows + 1>...};
    return tiles[wanted - 1];
}
template <class Product> inline MultiplyTile<Product> tile_for_rows(int rows)
{
    return tile_for_rows<Product>(rows, std::make_integer_sequence<int, tile_rows>{});
}

} // namespace
} // namespace nbit::NBIT_AVX512
