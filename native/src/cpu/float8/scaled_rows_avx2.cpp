// What quantizers of scaled matrices are made of, with AVX2.
#include "cpu/float8/scaled_rows_tiles.h"
#include "cpu/float8/transpose_tiles.h"
#include "cpu/float8_avx2.h"
#include "cpu/numbers_avx2.h"

namespace nbit::avx2
{
namespace
{

template <SmallFloat Format> struct RowEncoder {
    Float8Encoder<Format> encoder{1};
    void encode(const Tile& x, uint8_t* codes) const
    {
        __m256i bytes = encoder.encode(x);
        if constexpr (!Float8<Format>) { // the sign becomes the fourth bit
            const __m256i sign = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(8));
            bytes = _mm256_or_si256(_mm256_and_si256(bytes, _mm256_set1_epi8(7)), sign);
        }
        store(codes, bytes, false);
    }
};

template <SmallFloat Format> struct RowDecoder {
    Float8Decoder<Format> decoder;
    Tile decode(const uint8_t* codes) const
    {
        return decoder.decode(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes)));
    }
};
// Through the upper halves of float16, whose lower halves are 0 for all numbers of the format.
template <> struct RowDecoder<Float4E2M1> {
    static Tile decode(const uint8_t* pairs)
    {
        const __m128i table = _mm_setr_epi8(0x00, 0x38, 0x3c, 0x3e, 0x40, 0x42, 0x44, 0x46, -0x80, -0x48, -0x44, -0x42,
                                            -0x40, -0x3e, -0x3c, -0x3a);
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(pairs)), low_half = _mm_set1_epi8(15);
        const __m128i even = _mm_and_si128(bytes, low_half), odd = _mm_and_si128(_mm_srli_epi16(bytes, 4), low_half);
        const auto numbers = [&](__m128i codes) __attribute__((always_inline))
        {
            const __m128i upper = _mm_shuffle_epi8(table, codes), zero = _mm_setzero_si128();
            return std::pair(_mm256_cvtph_ps(_mm_unpacklo_epi8(zero, upper)),
                             _mm256_cvtph_ps(_mm_unpackhi_epi8(zero, upper)));
        };
        const auto [a, b] = numbers(_mm_unpacklo_epi8(even, odd));
        const auto [c, d] = numbers(_mm_unpackhi_epi8(even, odd));
        return {a, b, c, d};
    }
};

struct ScaledRowsSet : NumbersSet {
    static Tile larger(const Tile& largest, const Tile& x)
    {
        Tile most;
        for (int j = 0; j < 4; ++j) // the order of the operands leaves NaN out
            most.v[j] = _mm256_max_ps(absolute(x.v[j]), largest.v[j]);
        return most;
    }
    template <class Format> using Encoder = RowEncoder<Format>;
    template <class Format> using Decoder = RowDecoder<Format>;

    // Four rounds of unpacks of rows that are 8 apart.
    static void transpose_band(const uint8_t* source, int64_t stride, TransposedTile& tile, int64_t band)
    {
        for (int64_t c = 0; c < transposed_size; c += 16) {
            __m128i rows[2][16];
            for (int r = 0; r < 16; ++r)
                rows[0][r] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source + r * stride + c));
#pragma GCC unroll 4
            for (int round = 0; round < 4; ++round)
#pragma GCC unroll 8
                for (int i = 0; i < 8; ++i) {
                    const __m128i a = rows[round % 2][i], b = rows[round % 2][i + 8];
                    rows[(round + 1) % 2][2 * i] = _mm_unpacklo_epi8(a, b);
                    rows[(round + 1) % 2][2 * i + 1] = _mm_unpackhi_epi8(a, b);
                }
            for (int i = 0; i < 16; ++i)
                _mm_store_si128(reinterpret_cast<__m128i*>(tile[c + i] + band), rows[0][i]);
        }
    }
    static void transpose(const uint8_t* source, const MatrixPart& part, uint8_t* target, int64_t target_stride)
    {
        transpose_bytes_in_tiles<ScaledRowsSet>(source, part, target, target_stride);
    }
};

} // namespace

constinit const ScaledRowsTable scaled_rows = make_scaled_rows<ScaledRowsSet>();

} // namespace nbit::avx2
