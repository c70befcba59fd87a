// What all block kernels need of AVX-512.
#pragma once
#include "cpu/absmax_avx512.h"

namespace nbit::NBIT_AVX512
{
namespace
{

struct BlocksSet {
    static constexpr int64_t vector_bytes = 64, tile_size = NBIT_AVX512::tile_size;
    using Vector = __m512;
    static __m512 broadcast(float number) { return _mm512_set1_ps(number); }
    template <class T> static float absmax_of(const T* x, int64_t count) { return NBIT_AVX512::absmax_of(x, count); }
    static void prefetch(const void* address) { _mm_prefetch(static_cast<const char*>(address), _MM_HINT_T0); }
    static void finish_stream() { NBIT_AVX512::finish_stream(); }
};

} // namespace
} // namespace nbit::NBIT_AVX512
