// Arithmetic on tiles of numbers in AVX2.
#pragma once
#include "cpu/blocks_avx2.h"

namespace nbit::avx2
{
namespace
{

struct NumbersSet : BlocksSet {
    template <class T> static Tile load(const T* x) { return load_tile(x); }
    template <class T> static void store(T* y, const Tile& tile, bool stream) { store_tile(y, tile, stream); }
    static Tile spread(float number)
    {
        const __m256 all = _mm256_set1_ps(number);
        return {all, all, all, all};
    }
    static Tile product(const Tile& x, const Tile& y)
    {
        return {_mm256_mul_ps(x.v[0], y.v[0]), _mm256_mul_ps(x.v[1], y.v[1]), _mm256_mul_ps(x.v[2], y.v[2]),
                _mm256_mul_ps(x.v[3], y.v[3])};
    }
    static Tile sum(const Tile& x, const Tile& y)
    {
        return {_mm256_add_ps(x.v[0], y.v[0]), _mm256_add_ps(x.v[1], y.v[1]), _mm256_add_ps(x.v[2], y.v[2]),
                _mm256_add_ps(x.v[3], y.v[3])};
    }
    static Tile fused(const Tile& x, const Tile& y, const Tile& z)
    {
        return {_mm256_fmadd_ps(x.v[0], y.v[0], z.v[0]), _mm256_fmadd_ps(x.v[1], y.v[1], z.v[1]),
                _mm256_fmadd_ps(x.v[2], y.v[2], z.v[2]), _mm256_fmadd_ps(x.v[3], y.v[3], z.v[3])};
    }
    static Tile multiply_add(const Tile& x, const Tile& y, const Tile& z) { return fused(x, y, z); }
    static Tile from_int32(const int32_t* x)
    {
        const auto numbers = [&](int j) {
            return _mm256_cvtepi32_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + 8 * j)));
        };
        return {numbers(0), numbers(1), numbers(2), numbers(3)};
    }
    static Tile decode(const int8_t* codes)
    {
        const auto numbers = [&](int j) {
            const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes + 8 * j));
            return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
        };
        return {numbers(0), numbers(1), numbers(2), numbers(3)};
    }
};

} // namespace
} // namespace nbit::avx2
