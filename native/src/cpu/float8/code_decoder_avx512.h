// Codes of all small floats to bfloat16, which holds their numbers exactly, with AVX-512.
#pragma once
#include "cpu/common_avx512.h"
#include "cpu/float8_tables.h"
#include "nbit/nbit.h"

namespace nbit::NBIT_AVX512
{
namespace
{

// The bytes of the bfloat16 numbers of 128 codes: the upper bit of a code of float8 is its sign, and those of E2M1 have
// only 4 bits.
template <SmallFloat Format> struct CodePlanes {
    alignas(64) uint8_t low[128] = {};
    alignas(64) uint8_t high[128] = {};
    consteval CodePlanes()
    {
        for (int code = 0; code < (Float8<Format> ? 128 : 16); ++code) {
            const uint32_t bits = float_bits(to_float(Format{static_cast<uint8_t>(code)}));
            low[code] = static_cast<uint8_t>(bits >> 16);
            high[code] = static_cast<uint8_t>(bits >> 24);
        }
    }
};
template <SmallFloat Format> constexpr CodePlanes<Format> code_planes;

// One VPERMI2B looks up 64 of 128 codes, since it ignores their upper bit, which is then put before the number.
// Denormals, infinities and NaN need no special case, and all formats run the same code.
class CodeDecoder
{
public:
    template <SmallFloat Format>
    explicit CodeDecoder(const CodePlanes<Format>& planes)
        : low_{_mm512_load_si512(planes.low), _mm512_load_si512(planes.low + 64)}, high_{_mm512_load_si512(planes.high),
                                                                                         _mm512_load_si512(planes.high +
                                                                                                           64)}
    {
    }
    // For any of nbit_data_type that is a format of codes.
    static CodeDecoder of(int32_t format)
    {
        switch (format) {
        case NBIT_DATA_TYPE_FLOAT8_E4M3FN:
            return CodeDecoder(code_planes<Float8E4M3>);
        case NBIT_DATA_TYPE_FLOAT8_E5M2:
            return CodeDecoder(code_planes<Float8E5M2>);
        default:
            return CodeDecoder(code_planes<Float4E2M1>);
        }
    }

    // 64 codes in bytes, in order.
    void decode(__m512i codes, __m512i& first, __m512i& second) const
    {
        // Quad words in the order that unpacks inside lanes turn into the original one
        codes = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), codes);
        const __m512i low = _mm512_permutex2var_epi8(low_[0], codes, low_[1]);
        const __m512i high = _mm512_permutex2var_epi8(high_[0], codes, high_[1]);
        constexpr int first_or_both_others = 0xf8;
        const __m512i with_sign = _mm512_ternarylogic_epi32(high, codes, _mm512_set1_epi8(-128), first_or_both_others);
        first = _mm512_unpacklo_epi8(low, with_sign);
        second = _mm512_unpackhi_epi8(low, with_sign);
    }
    Tile decode(__m512i codes) const
    {
        __m512i first, second;
        decode(codes, first, second);
        return {widened(_mm512_castsi512_si256(first)), widened(_mm512_extracti64x4_epi64(first, 1)),
                widened(_mm512_castsi512_si256(second)), widened(_mm512_extracti64x4_epi64(second, 1))};
    }

    // Two codes a byte to a byte each, in order; the upper bit of each byte is 0.
    static __m512i split_pairs(__m256i pairs)
    {
        const __m512i words = _mm512_cvtepu8_epi16(pairs);
        return _mm512_and_si512(_mm512_or_si512(words, _mm512_slli_epi16(words, 4)), _mm512_set1_epi16(0x0f0f));
    }

private:
    static __m512 widened(__m256i bfloat16)
    {
        return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bfloat16), 16));
    }

    __m512i low_[2], high_[2];
};

} // namespace
} // namespace nbit::NBIT_AVX512
