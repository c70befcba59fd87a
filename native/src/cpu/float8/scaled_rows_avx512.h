// What quantizers of scaled matrices are made of, with AVX-512, compiled with and without the bfloat16 instructions.
#pragma once
#include "cpu/float8/code_decoder_avx512.h"
#include "cpu/float8/scaled_rows_tiles.h"
#include "cpu/float8/transpose_tiles.h"
#include "cpu/float8_avx512.h"
#include "cpu/numbers_avx512.h"

namespace nbit::NBIT_AVX512
{
namespace
{

template <SmallFloat Format> struct RowEncoder {
    Float8Encoder<Format> encoder{1};
    void encode(const Tile& x, uint8_t* codes) const
    {
        __m512i bytes = encoder.encode(x);
        if constexpr (!Float8<Format>) { // the sign becomes the fourth bit
            const __m512i sign = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), _mm512_set1_epi8(8));
            bytes = _mm512_or_si512(_mm512_and_si512(bytes, _mm512_set1_epi8(7)), sign);
        }
        store(codes, bytes, false);
    }
};

template <SmallFloat Format> struct RowDecoder {
    CodeDecoder decoder{code_planes<Format>};
    Tile decode(const uint8_t* codes) const
    {
        if constexpr (Float8<Format>)
            return decoder.decode(_mm512_loadu_si512(codes));
        else
            return decoder.decode(
                CodeDecoder::split_pairs(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes))));
    }
};

struct ScaledRowsSet : NumbersSet {
    static Tile larger(const Tile& largest, const Tile& x)
    {
        Tile most;
        for (int j = 0; j < 4; ++j) // the order of the operands leaves NaN out
            most.v[j] = _mm512_max_ps(_mm512_abs_ps(x.v[j]), largest.v[j]);
        return most;
    }
    template <class Format> using Encoder = RowEncoder<Format>;
    template <class Format> using Decoder = RowDecoder<Format>;

    // Four rounds of unpacks of rows that are 8 apart: afterwards lane l of vector k is column 16 l + k.
    static void transpose_band(const uint8_t* source, int64_t stride, TransposedTile& tile, int64_t band)
    {
        __m512i rows[2][16];
#pragma GCC unroll 16
        for (int r = 0; r < 16; ++r)
            rows[0][r] = _mm512_loadu_si512(source + r * stride);
#pragma GCC unroll 4
        for (int round = 0; round < 4; ++round)
#pragma GCC unroll 8
            for (int i = 0; i < 8; ++i) {
                const __m512i a = rows[round % 2][i], b = rows[round % 2][i + 8];
                rows[(round + 1) % 2][2 * i] = _mm512_unpacklo_epi8(a, b);
                rows[(round + 1) % 2][2 * i + 1] = _mm512_unpackhi_epi8(a, b);
            }
#pragma GCC unroll 16
        for (int k = 0; k < 16; ++k) {
            const auto place = [&](int lane) { return reinterpret_cast<__m128i*>(tile[16 * lane + k] + band); };
            _mm_store_si128(place(0), _mm512_castsi512_si128(rows[0][k]));
            _mm_store_si128(place(1), _mm512_extracti32x4_epi32(rows[0][k], 1));
            _mm_store_si128(place(2), _mm512_extracti32x4_epi32(rows[0][k], 2));
            _mm_store_si128(place(3), _mm512_extracti32x4_epi32(rows[0][k], 3));
        }
    }
    static void transpose(const uint8_t* source, const MatrixPart& part, uint8_t* target, int64_t target_stride)
    {
        transpose_bytes_in_tiles<ScaledRowsSet>(source, part, target, target_stride);
    }
};

} // namespace

constinit const ScaledRowsTable scaled_rows = make_scaled_rows<ScaledRowsSet>();

} // namespace nbit::NBIT_AVX512
