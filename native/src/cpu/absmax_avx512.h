// absmax of consecutive elements with AVX-512.
#pragma once
#include "cpu/absmax.h"
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

} // namespace
} // namespace nbit::NBIT_AVX512
