// absmax of consecutive elements with AVX-512.
#pragma once
#include "cpu/blocks_tiles.h"
#include "cpu/common_avx512.h"

namespace nbit::NBIT_AVX512
{
namespace
{

// Lanes of magnitude bits: 16 of 32 bits for float32, 32 of 16 bits for the others, which so need no widening.

inline __m512i larger(__m512i a, __m512i b, const float*) { return _mm512_max_epi32(a, b); }
template <class T> inline __m512i larger(__m512i a, __m512i b, const T*) { return _mm512_max_epi16(a, b); }

// Of 32 elements.
inline __m512i largest_magnitudes(const float* x)
{
    const __m512i mask = _mm512_set1_epi32(magnitude_mask);
    return _mm512_max_epi32(_mm512_and_si512(_mm512_loadu_si512(x), mask),
                            _mm512_and_si512(_mm512_loadu_si512(x + 16), mask));
}
template <class T> inline __m512i largest_magnitudes(const T* x)
{
    return _mm512_and_si512(_mm512_loadu_si512(x), _mm512_set1_epi16(0x7fff));
}

inline uint32_t largest_lane(__m512i lanes, const float*)
{
    return static_cast<uint32_t>(_mm512_reduce_max_epi32(lanes));
}
template <class T> inline uint32_t largest_lane(__m512i lanes, const T*)
{
    const __m256i half = _mm256_max_epi16(_mm512_castsi512_si256(lanes), _mm512_extracti64x4_epi64(lanes, 1));
    const __m128i quarter = _mm_max_epi16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    // The least of the complements: the one horizontal reduction that the instruction set has.
    const __m128i least = _mm_minpos_epu16(_mm_xor_si128(quarter, _mm_set1_epi16(-1)));
    return static_cast<uint16_t>(~_mm_cvtsi128_si32(least));
}

template <class T> inline float absmax_of(const T* x, int64_t count)
{
    constexpr int64_t step = 32;
    __m512i first = _mm512_setzero_si512(), second = first;
    int64_t i = 0;
    for (; i + 2 * step <= count; i += 2 * step) {
        first = larger(first, largest_magnitudes(x + i), x);
        second = larger(second, largest_magnitudes(x + i + step), x);
    }
    for (; i < count; i += step) {
        if (i + step <= count)
            first = larger(first, largest_magnitudes(x + i), x);
        else
            second = larger(second, largest_magnitudes(PaddedTile<T, step>(x + i, count - i).data), x);
    }
    return absmax_from_bits<T>(largest_lane(larger(first, second, x), x));
}

// The largest of each quarter of 64 lanes: the four vectors are joined while they are folded.
inline __m128i largest_of_each(const __m512i (&lanes)[4])
{
    const auto fold = [](__m512i a, __m512i b) {
        return _mm512_max_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    };
    const __m512i first = fold(lanes[0], lanes[1]), second = fold(lanes[2], lanes[3]);
    const __m512i all = _mm512_max_epi32(_mm512_unpacklo_epi64(first, second), _mm512_unpackhi_epi64(first, second));
    const __m256i half = _mm256_max_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    return _mm_max_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

inline __m512i lanes_of_32_bits(__m512i lanes, const float*) { return lanes; }
template <class T> inline __m512i lanes_of_32_bits(__m512i lanes, const T*) // the larger one of each pair
{
    return _mm512_max_epi32(_mm512_srli_epi32(lanes, 16), _mm512_and_si512(lanes, _mm512_set1_epi32(0xffff)));
}

inline __m128 from_magnitude_bits(__m128i bits, const float*) { return _mm_castsi128_ps(bits); }
inline __m128 from_magnitude_bits(__m128i bits, const BFloat16*) { return _mm_castsi128_ps(_mm_slli_epi32(bits, 16)); }
inline __m128 from_magnitude_bits(__m128i bits, const Float16*) { return _mm_cvtph_ps(_mm_packus_epi32(bits, bits)); }

template <class T> inline FourScales scales_of_four(const T* x, int64_t blocksize)
{
    constexpr int64_t step = 32;
    __m512i largest[4];
    for (int block = 0; block < 4; ++block) {
        const T* elements = x + block * blocksize;
        largest[block] = largest_magnitudes(elements);
        for (int64_t i = step; i < blocksize; i += step)
            largest[block] = larger(largest[block], largest_magnitudes(elements + i), x);
        largest[block] = lanes_of_32_bits(largest[block], x);
    }
    const __m128 absmax = from_magnitude_bits(largest_of_each(largest), x);
    FourScales scales;
    _mm_store_ps(scales.absmax, absmax);
    _mm_store_ps(scales.reciprocal, _mm_div_ps(_mm_set1_ps(1), _mm_max_ps(absmax, _mm_set1_ps(least_divisor))));
    scales.any_special = _mm_cmp_ps_mask(absmax, _mm_set1_ps(infinity), _CMP_NLT_UQ) != 0;
    return scales;
}

} // namespace
} // namespace nbit::NBIT_AVX512
