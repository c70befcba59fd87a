// What all block kernels need of AVX2.
#pragma once
#include "cpu/absmax_avx2.h"

namespace nbit::avx2
{
namespace
{

struct BlocksSet {
    static constexpr int64_t vector_bytes = 32, tile_size = avx2::tile_size;
    using Vector = __m256;
    static __m256 broadcast(float number) { return _mm256_set1_ps(number); }
    template <class T> static float absmax_of(const T* x, int64_t count) { return avx2::absmax_of(x, count); }
    static void prefetch(const void* address) { _mm_prefetch(static_cast<const char*>(address), _MM_HINT_T0); }
    static void finish_stream() { avx2::finish_stream(); }
};

} // namespace
} // namespace nbit::avx2
