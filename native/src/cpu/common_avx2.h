// Tiles of 32 elements as float32, shared by the AVX2 kernels (AVX2, FMA, F16C).
#pragma once
#include "cpu/formats.h"
#include "cpu/tiles.h"

#include <immintrin.h>

namespace nbit::avx2
{
namespace
{

constexpr int64_t tile_size = 32;
struct Tile {
    __m256 v[4]; // consecutive elements
};

inline __m256 load8(const float* x) { return _mm256_loadu_ps(x); }
inline __m256 load8(const Float16* x) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x))); }
inline __m256 load8(const BFloat16* x)
{
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
template <class T> inline Tile load_tile(const T* x) { return {load8(x), load8(x + 8), load8(x + 16), load8(x + 24)}; }

inline __m256 absolute(__m256 x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }

inline Tile scaled(const Tile& x, __m256 factor)
{
    return {_mm256_mul_ps(x.v[0], factor), _mm256_mul_ps(x.v[1], factor), _mm256_mul_ps(x.v[2], factor),
            _mm256_mul_ps(x.v[3], factor)};
}

// Stores that bypass the caches when asked to. The branch is the same every time.
inline void store(void* target, __m256i bits, bool stream)
{
    stream ? _mm256_stream_si256(static_cast<__m256i*>(target), bits)
           : _mm256_storeu_si256(static_cast<__m256i*>(target), bits);
}
// Before another thread reads what was streamed.
inline void finish_stream() { _mm_sfence(); }

// bfloat16 in the lower halves of the lanes, zero above.
inline __m256i rounded_to_bfloat16(__m256 value)
{
    const __m256i bits = _mm256_castps_si256(value);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(quiet_bit));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(value, value, _CMP_UNORD_Q));
    return _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
}

// 16 consecutive elements, rounded to nearest, ties to even.
inline void store16(float* y, __m256 low, __m256 high, bool stream)
{
    store(y, _mm256_castps_si256(low), stream);
    store(y + 8, _mm256_castps_si256(high), stream);
}
inline void store16(Float16* y, __m256 low, __m256 high, bool stream)
{
    const __m128i a = _mm256_cvtps_ph(low, _MM_FROUND_TO_NEAREST_INT);
    const __m128i b = _mm256_cvtps_ph(high, _MM_FROUND_TO_NEAREST_INT);
    store(y, _mm256_set_m128i(b, a), stream);
}
inline void store16(BFloat16* y, __m256 low, __m256 high, bool stream)
{
    const __m256i packed = _mm256_packus_epi32(rounded_to_bfloat16(low), rounded_to_bfloat16(high));
    store(y, _mm256_permute4x64_epi64(packed, 0xd8), stream); // undoes the packing's order by lanes
}

template <class T> inline void store_tile(T* y, const Tile& tile, bool stream)
{
    store16(y, tile.v[0], tile.v[1], stream);
    store16(y + 16, tile.v[2], tile.v[3], stream);
}

} // namespace
} // namespace nbit::avx2
