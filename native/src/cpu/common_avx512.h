// Tiles of 64 elements as float32, shared by the AVX-512 kernels (F, BW, DQ, VL, VBMI). Compiled twice: with and
// without the bfloat16 instructions, each in a namespace of its own.
#pragma once
#include "cpu/formats.h"
#include "cpu/tiles.h"

#include <immintrin.h>

#if defined(__AVX512BF16__)
#define NBIT_AVX512 avx512bf16
#else
#define NBIT_AVX512 avx512
#endif

namespace nbit::NBIT_AVX512
{
namespace
{

constexpr int64_t tile_size = 64;
struct Tile {
    __m512 v[4]; // consecutive elements
};

inline __m512 load16(const float* x) { return _mm512_loadu_ps(x); }
inline __m512 load16(const Float16* x)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)));
}
inline __m512 load16(const BFloat16* x)
{
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
template <class T> inline Tile load_tile(const T* x)
{
    return {load16(x), load16(x + 16), load16(x + 32), load16(x + 48)};
}

inline Tile scaled(const Tile& x, __m512 factor)
{
    return {_mm512_mul_ps(x.v[0], factor), _mm512_mul_ps(x.v[1], factor), _mm512_mul_ps(x.v[2], factor),
            _mm512_mul_ps(x.v[3], factor)};
}

// Stores that bypass the caches when asked to. The branch is the same every time.
inline void store(void* target, __m512i bits, bool stream)
{
    stream ? _mm512_stream_si512(static_cast<__m512i*>(target), bits) : _mm512_storeu_si512(target, bits);
}
// Before another thread reads what was streamed.
inline void finish_stream() { _mm_sfence(); }

// bfloat16 in the upper halves of the lanes.
inline __m512i rounded_to_bfloat16(__m512 value)
{
    const __m512i bits = _mm512_castps_si512(value);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __mmask16 nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
    return _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(quiet_bit));
}

inline __m512i exact_bfloat16(__m512 low, __m512 high)
{
    alignas(64) static constexpr uint16_t upper_halves[32] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21,
                                                              23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43,
                                                              45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
    return _mm512_permutex2var_epi16(rounded_to_bfloat16(low), _mm512_load_si512(upper_halves),
                                     rounded_to_bfloat16(high));
}

#if defined(__AVX512BF16__)
[[gnu::noinline]] __m512i exact_bfloat16_of_denormals(__m512 low, __m512 high) { return exact_bfloat16(low, high); }

inline __m512i to_bfloat16(__m512 low, __m512 high)
{
    // VCVTNE2PS2BF16 flushes denormals whatever MXCSR says: it serves where there is none.
    constexpr int denormal = 0x20;
    if (_mm512_fpclass_ps_mask(low, denormal) | _mm512_fpclass_ps_mask(high, denormal))
        return exact_bfloat16_of_denormals(low, high);
    return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
}
#else
inline __m512i to_bfloat16(__m512 low, __m512 high) { return exact_bfloat16(low, high); }
#endif

// 32 consecutive elements, rounded to nearest, ties to even.
inline void store32(float* y, __m512 low, __m512 high, bool stream)
{
    store(y, _mm512_castps_si512(low), stream);
    store(y + 16, _mm512_castps_si512(high), stream);
}
inline void store32(Float16* y, __m512 low, __m512 high, bool stream)
{
    const __m256i a = _mm512_cvtps_ph(low, _MM_FROUND_TO_NEAREST_INT);
    const __m256i b = _mm512_cvtps_ph(high, _MM_FROUND_TO_NEAREST_INT);
    store(y, _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1), stream);
}
inline void store32(BFloat16* y, __m512 low, __m512 high, bool stream) { store(y, to_bfloat16(low, high), stream); }

template <class T> inline void store_tile(T* y, const Tile& tile, bool stream)
{
    store32(y, tile.v[0], tile.v[1], stream);
    store32(y + 32, tile.v[2], tile.v[3], stream);
}

} // namespace
} // namespace nbit::NBIT_AVX512
