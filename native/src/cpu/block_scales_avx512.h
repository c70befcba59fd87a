// The scales of consecutive blocks, also from 8 bits, with AVX-512.
#pragma once
#include "cpu/block_scales.h"
#include "cpu/common_avx512.h"

#include <algorithm>

namespace nbit::NBIT_AVX512
{
namespace
{

// The 256 numbers of a book are four planes of 256 bytes, in which VPERMI2B looks up 64 codes at a time. Measured on
// Zen 4, 16 codes take 1.6 ns; a gather of 16 lanes takes 6.0 ns.
class BlockScaleReader
{
public:
    explicit BlockScaleReader(const BlockScales& scales) : scales_(scales)
    {
        if (!scales.codes) return;
        alignas(cache_line) uint8_t plane[256];
        for (int p = 0; p < 4; ++p) {
            for (int i = 0; i < 256; i += 16) {
                const __m512i bits = _mm512_castps_si512(_mm512_loadu_ps(scales.book.value + i));
                _mm_store_si128(reinterpret_cast<__m128i*>(plane + i),
                                _mm512_cvtepi32_epi8(_mm512_srl_epi32(bits, _mm_cvtsi32_si128(8 * p))));
            }
            for (int q = 0; q < 4; ++q)
                planes_[p][q] = _mm512_load_si512(plane + 64 * q);
        }
    }

    // to[i] = the scale of block first + i, as scale_of_block gives it.
    void read(int64_t first, int64_t count, float* to) const
    {
        first += scales_.first;
        if (!scales_.codes) {
            for (int64_t i = 0; i < count; i += 16)
                prefetch(scales_.absmax, (first + i + blocks_ahead) * static_cast<int64_t>(sizeof(float)));
            std::copy_n(scales_.absmax + first, count, to);
            return;
        }
        for (int64_t i = 0; i < count;) { // the blocks that share a nested absmax
            const int64_t block = first + i;
            const int64_t run = std::min({count - i, nested_blocksize - block % nested_blocksize, int64_t{64}});
            if (run > few)
                read_run(block, static_cast<int>(run), to + i);
            else
                for (int64_t j = 0; j < run; ++j)
                    to[i + j] =
                        restored(scales_.book, scales_.codes[block + j], scales_.absmax[block / nested_blocksize]);
            i += run;
        }
    }

private:
    // Scales are read too rarely for the hardware prefetcher to keep up: 32 rows of 14,336 columns in blocks of 64.
    static constexpr int64_t blocks_ahead = 8192;
    static constexpr int64_t few = 4; // that take less time one by one

    static void prefetch(const void* base, int64_t bytes)
    {
        _mm_prefetch(reinterpret_cast<const char*>(reinterpret_cast<uintptr_t>(base) + static_cast<uintptr_t>(bytes)),
                     _MM_HINT_T1);
    }

    void read_run(int64_t block, int run, float* to) const
    {
        prefetch(scales_.codes, block + blocks_ahead);
        const __mmask64 present = run == 64 ? ~__mmask64{0} : (__mmask64{1} << run) - 1;
        // Dwords of codes are transposed, so that the unpacks by lanes below leave the floats in order.
        const __m512i order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
        const __m512i codes = _mm512_permutexvar_epi32(order, _mm512_maskz_loadu_epi8(present, scales_.codes + block));
        const __mmask64 upper = _mm512_movepi8_mask(codes);
        __m512i byte[4];
#pragma GCC unroll 4
        for (int p = 0; p < 4; ++p)
            byte[p] = _mm512_mask_blend_epi8(upper, _mm512_permutex2var_epi8(planes_[p][0], codes, planes_[p][1]),
                                             _mm512_permutex2var_epi8(planes_[p][2], codes, planes_[p][3]));
        const __m512i low[2] = {_mm512_unpacklo_epi8(byte[0], byte[1]), _mm512_unpackhi_epi8(byte[0], byte[1])};
        const __m512i high[2] = {_mm512_unpacklo_epi8(byte[2], byte[3]), _mm512_unpackhi_epi8(byte[2], byte[3])};
        const __m512 nested = _mm512_set1_ps(scales_.absmax[block / nested_blocksize]);
        const __m512 offset = _mm512_set1_ps(scales_.book.offset);
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            const __m512i bits =
                i % 2 ? _mm512_unpackhi_epi16(low[i / 2], high[i / 2]) : _mm512_unpacklo_epi16(low[i / 2], high[i / 2]);
            // Two roundings, see NestedBook.
            const __m512 value = _mm512_add_ps(_mm512_mul_ps(_mm512_castsi512_ps(bits), nested), offset);
            _mm512_mask_storeu_ps(to + 16 * i, static_cast<__mmask16>(present >> (16 * i)), value);
        }
    }

    const BlockScales& scales_;
    __m512i planes_[4][4];
};

} // namespace
} // namespace nbit::NBIT_AVX512
