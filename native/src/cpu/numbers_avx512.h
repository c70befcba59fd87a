// Arithmetic on tiles of numbers in AVX-512.
#pragma once
#include "cpu/blocks_avx512.h"

namespace nbit::NBIT_AVX512
{
namespace
{

struct NumbersSet : BlocksSet {
    template <class T> static Tile load(const T* x) { return load_tile(x); }
    template <class T> static void store(T* y, const Tile& tile, bool stream) { store_tile(y, tile, stream); }
    static Tile spread(float number)
    {
        const __m512 all = _mm512_set1_ps(number);
        return {all, all, all, all};
    }
    static Tile product(const Tile& x, const Tile& y)
    {
        return {_mm512_mul_ps(x.v[0], y.v[0]), _mm512_mul_ps(x.v[1], y.v[1]), _mm512_mul_ps(x.v[2], y.v[2]),
                _mm512_mul_ps(x.v[3], y.v[3])};
    }
    static Tile sum(const Tile& x, const Tile& y)
    {
        return {_mm512_add_ps(x.v[0], y.v[0]), _mm512_add_ps(x.v[1], y.v[1]), _mm512_add_ps(x.v[2], y.v[2]),
                _mm512_add_ps(x.v[3], y.v[3])};
    }
    static Tile fused(const Tile& x, const Tile& y, const Tile& z)
    {
        return {_mm512_fmadd_ps(x.v[0], y.v[0], z.v[0]), _mm512_fmadd_ps(x.v[1], y.v[1], z.v[1]),
                _mm512_fmadd_ps(x.v[2], y.v[2], z.v[2]), _mm512_fmadd_ps(x.v[3], y.v[3], z.v[3])};
    }
    static Tile from_int32(const int32_t* x)
    {
        const auto numbers = [&](int j) { return _mm512_cvtepi32_ps(_mm512_loadu_si512(x + 16 * j)); };
        return {numbers(0), numbers(1), numbers(2), numbers(3)};
    }
    static Tile decode(const int8_t* codes)
    {
        const auto numbers = [&](int j) {
            const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + 16 * j));
            return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
        };
        return {numbers(0), numbers(1), numbers(2), numbers(3)};
    }
};

} // namespace
} // namespace nbit::NBIT_AVX512
