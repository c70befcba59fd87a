// What all block kernels need of AVX-512.
#pragma once
#include "cpu/absmax_avx512.h"

namespace nbit::NBIT_AVX512
{
namespace
{

// The halves of a tile may belong to two blocks.
inline Tile scaled(const Tile& x, float first, float second)
{
    const __m512 low = _mm512_set1_ps(first), high = _mm512_set1_ps(second);
    return {_mm512_mul_ps(x.v[0], low), _mm512_mul_ps(x.v[1], low), _mm512_mul_ps(x.v[2], high),
            _mm512_mul_ps(x.v[3], high)};
}

struct BlocksSet {
    static constexpr int64_t vector_bytes = 64, tile_size = NBIT_AVX512::tile_size;
    using Tile = NBIT_AVX512::Tile;
    template <class T> static float absmax_of(const T* x, int64_t count) { return NBIT_AVX512::absmax_of(x, count); }
    template <class T> static FourScales scales_of_four(const T* x, int64_t blocksize)
    {
        return NBIT_AVX512::scales_of_four(x, blocksize);
    }
    static void prefetch(const void* address) { _mm_prefetch(static_cast<const char*>(address), _MM_HINT_T0); }
    static void finish_stream() { NBIT_AVX512::finish_stream(); }
};

} // namespace
} // namespace nbit::NBIT_AVX512
