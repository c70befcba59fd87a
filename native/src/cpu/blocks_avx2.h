// What all block kernels need of AVX2.
#pragma once
#include "cpu/absmax_avx2.h"

namespace nbit::avx2
{
namespace
{

// A tile is no longer than a block: its halves have the same factor.
inline Tile scaled(const Tile& x, float factor, float) { return scaled(x, _mm256_set1_ps(factor)); }

struct BlocksSet {
    static constexpr int64_t vector_bytes = 32, tile_size = avx2::tile_size;
    using Tile = avx2::Tile;
    template <class T> static float absmax_of(const T* x, int64_t count) { return avx2::absmax_of(x, count); }
    template <class T> static FourScales scales_of_four(const T* x, int64_t blocksize)
    {
        return avx2::scales_of_four(x, blocksize);
    }
    static void prefetch(const void* address) { _mm_prefetch(static_cast<const char*>(address), _MM_HINT_T0); }
    static void finish_stream() { avx2::finish_stream(); }
};

} // namespace
} // namespace nbit::avx2
