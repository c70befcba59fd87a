// Stretches of a 4-bit weight as numbers, with AVX-512.
#pragma once
#include "cpu/block_scales_avx512.h"
#include "cpu/weight4.h"

namespace nbit::NBIT_AVX512
{
namespace
{

// Decoders give 32 consecutive weights: round(number * absmax). The 16 numbers of a block are scaled and rounded, not
// its elements, each of which then is one permute.

template <class Compute> inline __m512 rounded(__m512 numbers)
{
    if constexpr (std::same_as<Compute, Float16>)
        return _mm512_cvtph_ps(_mm512_cvtps_ph(numbers, _MM_FROUND_TO_NEAREST_INT));
    else if constexpr (std::same_as<Compute, BFloat16>)
        return _mm512_castsi512_ps(
            _mm512_and_si512(rounded_to_bfloat16(numbers), _mm512_set1_epi32(static_cast<int>(0xffff0000))));
    else
        return numbers;
}

// As float32.
template <class Compute> class FloatDecoder
{
public:
    using Element = float;
    using Table = __m512;
    explicit FloatDecoder(const float* numbers) : numbers_(_mm512_loadu_ps(numbers)) {}
    Table table(float absmax) const { return rounded<Compute>(_mm512_mul_ps(numbers_, _mm512_set1_ps(absmax))); }
    static void decode(__m128i codes, Table table, float* to)
    {
        _mm512_storeu_ps(to, sixteen(codes, table));
        _mm512_storeu_ps(to + 16, sixteen(_mm_srli_si128(codes, 8), table));
    }

private:
    // A byte to a quad word, whose upper half takes the lower code; permutes read the low 4 bits.
    static __m512 sixteen(__m128i codes, Table table)
    {
        const __m512i index =
            _mm512_multishift_epi64_epi8(_mm512_set1_epi64(0x0000'0000'0000'0004), _mm512_cvtepu8_epi64(codes));
        return _mm512_permutexvar_ps(index, table);
    }
    __m512 numbers_;
};

#if defined(__AVX512BF16__)
// As bfloat16. Denormals become zero, which VDPBF16PS takes them for anyway.
class BFloat16Decoder
{
public:
    using Element = BFloat16;
    using Table = __m512i; // twice, so that bit 4 of an index does not matter
    explicit BFloat16Decoder(const float* numbers) : numbers_(_mm512_loadu_ps(numbers)) {}
    Table table(float absmax) const
    {
        const __m512 scaled = _mm512_mul_ps(numbers_, _mm512_set1_ps(absmax));
        return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(scaled, scaled));
    }
    static __m512i decode(__m128i codes, Table table)
    {
        // Two bytes to a quad word, of which word i takes code i, the upper half of a byte first.
        const __m512i index =
            _mm512_multishift_epi64_epi8(_mm512_set1_epi64(0x0008'000C'0000'0004), _mm512_cvtepu16_epi64(codes));
        return _mm512_permutexvar_epi16(index, table);
    }
    static void decode(__m128i codes, Table table, BFloat16* to) { _mm512_storeu_si512(to, decode(codes, table)); }

private:
    __m512 numbers_;
};
#endif

inline __m128i load_codes(const uint8_t* packed) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(packed)); }
inline __m128i load_codes(const uint8_t* packed, int64_t elements) // fewer than 32
{
    return _mm_maskz_loadu_epi8(static_cast<__mmask16>((1u << ((elements + 1) / 2)) - 1), packed);
}

// Elements around those that are asked for which decode_elements may write.
constexpr int64_t decode_margin = 32;

// to[i] = weight of element first + i of the flattened weight; `scales` are those of the blocks that these elements lie
// in. Blocks begin at even elements, so an odd first one has its neighbour decoded as well.
template <class Decoder>
inline void decode_elements(const Weight4& weight, const Decoder& decoder, int64_t first, int64_t count,
                            const float* scales, typename Decoder::Element* to)
{
    constexpr int64_t step = 32, packed_ahead = 192;
    const int64_t end = first + count;
    int64_t at = first & ~int64_t{1};
    const uint8_t* packed = weight.packed + at / 2;
    to -= first - at;
    while (at < end) {
        const int64_t stop = std::min(end, (at | (weight.blocksize - 1)) + 1);
        const auto table = decoder.table(*scales++);
        for (; at + step <= stop; at += step, packed += step / 2, to += step) {
            // Strips are too short for the hardware prefetcher.
            _mm_prefetch(reinterpret_cast<const char*>(reinterpret_cast<uintptr_t>(packed) + packed_ahead),
                         _MM_HINT_T1);
            Decoder::decode(load_codes(packed), table, to);
        }
        if (at == stop) continue;
        Decoder::decode(load_codes(packed, stop - at), table, to);
        packed += (stop - at) / 2;
        to += stop - at;
        at = stop;
    }
}

} // namespace
} // namespace nbit::NBIT_AVX512
