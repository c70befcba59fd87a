// Products of int8 matrices with AVX2.
#include "cpu/numbers_avx2.h"
#include "cpu/products8_tiles.h"

namespace nbit::avx2
{
namespace
{

inline int32_t sum_of_lanes(__m256i v)
{
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

struct Products8Set : NumbersSet {
    static constexpr int64_t dot_rows = 3, dot_columns = 4; // as many sums as leave registers for their terms

    template <int64_t Rows, int64_t Columns>
    static void add_dots(const int8_t* x, int64_t x_stride, const int8_t* weights, int64_t weight_stride, int64_t count,
                         int32_t* product, int64_t stride)
    {
        // VPMADDUBSW would saturate its sums of 16 bits; of widened codes, VPMADDWD's are exact
        __m256i sum[Rows][Columns];
        for (auto& row : sum)
            for (__m256i& s : row)
                s = _mm256_setzero_si256();
        const auto add = [&](const auto& codes_of_x, const auto& codes_of_weight) {
            __m256i row[Rows];
#pragma GCC unroll 4
            for (int64_t r = 0; r < Rows; ++r)
                row[r] = _mm256_cvtepi8_epi16(codes_of_x(r));
#pragma GCC unroll 4
            for (int64_t c = 0; c < Columns; ++c) {
                const __m256i weight = _mm256_cvtepi8_epi16(codes_of_weight(c));
#pragma GCC unroll 4
                for (int64_t r = 0; r < Rows; ++r)
                    sum[r][c] = _mm256_add_epi32(sum[r][c], _mm256_madd_epi16(row[r], weight));
            }
        };
        const auto whole = [](const int8_t* codes) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)); };
        int64_t k = 0;
        for (; k + 16 <= count; k += 16)
            add([&](int64_t r) { return whole(x + r * x_stride + k); },
                [&](int64_t c) { return whole(weights + c * weight_stride + k); });
        const auto part = [&](const int8_t* codes) { return whole(PaddedTile<int8_t, 16>(codes, count - k).data); };
        if (k < count)
            add([&](int64_t r) { return part(x + r * x_stride + k); },
                [&](int64_t c) { return part(weights + c * weight_stride + k); });
        for (int64_t r = 0; r < Rows; ++r)
            for (int64_t c = 0; c < Columns; ++c)
                product[r * stride + c] += sum_of_lanes(sum[r][c]);
    }
};

} // namespace

constinit const Products8Table products8 = make_plain_products8<Products8Set>();

} // namespace nbit::avx2
