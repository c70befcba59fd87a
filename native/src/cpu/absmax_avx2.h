// absmax of consecutive elements with AVX2.
#pragma once
#include "cpu/blocks_tiles.h"
#include "cpu/common_avx2.h"

namespace nbit::avx2
{
namespace
{

// Lanes of magnitude bits: 8 of 32 bits for float32, 16 of 16 bits for the others, which so need no widening.

inline __m256i larger(__m256i a, __m256i b, const float*) { return _mm256_max_epi32(a, b); }
template <class T> inline __m256i larger(__m256i a, __m256i b, const T*) { return _mm256_max_epi16(a, b); }

template <class T> inline __m256i magnitudes(const T* x) // of 32 bytes
{
    const __m256i mask = sizeof(T) == 4 ? _mm256_set1_epi32(magnitude_mask) : _mm256_set1_epi16(0x7fff);
    return _mm256_and_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)), mask);
}

// Of 32 elements.
template <class T> inline __m256i largest_magnitudes(const T* x)
{
    constexpr int lanes = 32 / sizeof(T);
    const __m256i most = larger(magnitudes(x), magnitudes(x + lanes), x);
    if constexpr (sizeof(T) == 4)
        return larger(most, larger(magnitudes(x + 2 * lanes), magnitudes(x + 3 * lanes), x), x);
    else
        return most;
}

inline uint32_t largest_lane(__m256i lanes, const float*)
{
    __m128i most = _mm_max_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
    most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4e));
    return static_cast<uint32_t>(_mm_cvtsi128_si32(_mm_max_epi32(most, _mm_shuffle_epi32(most, 0xb1))));
}
template <class T> inline uint32_t largest_lane(__m256i lanes, const T*)
{
    const __m128i most = _mm_max_epi16(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
    // The least of the complements: the one horizontal reduction that the instruction set has.
    const __m128i least = _mm_minpos_epu16(_mm_xor_si128(most, _mm_set1_epi16(-1)));
    return static_cast<uint16_t>(~_mm_cvtsi128_si32(least));
}

template <class T> inline float absmax_of(const T* x, int64_t count)
{
    constexpr int64_t step = 32;
    __m256i most = _mm256_setzero_si256();
    int64_t i = 0;
    for (; i + step <= count; i += step)
        most = larger(most, largest_magnitudes(x + i), x);
    if (i < count) most = larger(most, largest_magnitudes(PaddedTile<T, step>(x + i, count - i).data), x);
    return absmax_from_bits<T>(largest_lane(most, x));
}

// The largest of each quarter of 32 lanes: the four vectors are joined while they are folded.
inline __m128i largest_of_each(const __m256i (&lanes)[4])
{
    const auto fold = [](__m256i a, __m256i b) {
        return _mm256_max_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    };
    const __m256i first = fold(lanes[0], lanes[1]), second = fold(lanes[2], lanes[3]);
    const __m256i all = _mm256_max_epi32(_mm256_unpacklo_epi64(first, second), _mm256_unpackhi_epi64(first, second));
    return _mm_max_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

inline __m256i lanes_of_32_bits(__m256i lanes, const float*) { return lanes; }
template <class T> inline __m256i lanes_of_32_bits(__m256i lanes, const T*) // the larger one of each pair
{
    return _mm256_max_epi32(_mm256_srli_epi32(lanes, 16), _mm256_and_si256(lanes, _mm256_set1_epi32(0xffff)));
}

inline __m128 from_magnitude_bits(__m128i bits, const float*) { return _mm_castsi128_ps(bits); }
inline __m128 from_magnitude_bits(__m128i bits, const BFloat16*) { return _mm_castsi128_ps(_mm_slli_epi32(bits, 16)); }
inline __m128 from_magnitude_bits(__m128i bits, const Float16*) { return _mm_cvtph_ps(_mm_packus_epi32(bits, bits)); }

template <class T> inline FourScales scales_of_four(const T* x, int64_t blocksize)
{
    constexpr int64_t step = 32;
    __m256i largest[4];
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
    scales.any_special = _mm_movemask_ps(_mm_cmp_ps(absmax, _mm_set1_ps(infinity), _CMP_NLT_UQ)) != 0;
    return scales;
}

} // namespace
} // namespace nbit::avx2
