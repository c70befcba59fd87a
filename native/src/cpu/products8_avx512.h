// Products of int8 matrices with AVX-512 VNNI, compiled with and without the bfloat16 instructions.
//
// VPDPBUSD multiplies unsigned by signed bytes. The weight is the unsigned operand, as w + 128, which is one xor while
// a tile of it is packed. So products lack 128 * sum(x[r, :]), which is known once x is packed: nothing is stored
// beside the weight. Sums wrap in 32 bits and come out right where the final one fits.
#pragma once
#include "cpu/numbers_avx512.h"
#include "cpu/plain_panel_avx512.h"
#include "cpu/products8_tiles.h"

namespace nbit::NBIT_AVX512
{
namespace
{

static_assert(panel_rows8 == tile_rows && block_rows8 == most_packed_rows && block_columns8 == packed_group &&
              outlier_chain == tile_depth);

constexpr int32_t to_unsigned = static_cast<int32_t>(0x80808080);

// Packed rows: panels of dwords, then what to subtract from every sum of a row.
inline int64_t packed_dwords(int64_t rows, int64_t columns) { return rows * dwords_of<int8_t>(columns); }
inline int64_t packed_rows8_bytes(int64_t rows, int64_t columns) { return (packed_dwords(rows, columns) + rows) * 4; }

// Modulo 2^32. The compiler's _mm512_reduce_add_epi32 ends in int, whose overflow is undefined.
inline uint32_t sum_of_lanes(__m512i x)
{
    const __m256i eight = _mm256_add_epi32(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1));
    return static_cast<uint32_t>(_mm_cvtsi128_si32(four));
}

inline int32_t sum_of_codes(const int8_t* codes, int64_t count)
{
    const __m512i ones = _mm512_set1_epi8(1);
    __m512i sum = _mm512_setzero_si512();
    for (int64_t k = 0; k < count; k += 64) {
        const __mmask64 lanes = count - k >= 64 ? ~__mmask64{0} : (__mmask64{1} << (count - k)) - 1;
        sum = _mm512_dpbusd_epi32(sum, ones, _mm512_maskz_loadu_epi8(lanes, codes + k));
    }
    return static_cast<int32_t>(sum_of_lanes(sum));
}

inline void pack_rows8(const int8_t* codes, int64_t rows, int64_t columns, const Panels8& range, std::byte* packed)
{
    const RowPanels panels(static_cast<int>(rows), tile_rows);
    const auto begin = static_cast<int>(range.first), end = static_cast<int>(range.last);
    auto* dwords = reinterpret_cast<int32_t*>(packed);
    const int64_t depth = dwords_of<int8_t>(columns);
    for (int64_t d = 0; d < depth; d += tile_depth) {
        const int64_t count = std::min(tile_depth, depth - d), bytes = std::min(4 * count, columns - 4 * d);
        for (int p = begin; p < end; ++p)
            interleave_dwords({codes + panels.first(p) * columns + 4 * d, columns, panels.rows(p)}, bytes,
                              dwords + packed_offset(panels.total, panels.first(p), d, count), panels.rows(p));
    }
    int32_t* corrections = dwords + packed_dwords(rows, columns);
    for (int r = panels.first(begin); r < panels.first(end); ++r)
        corrections[r] = 128 * sum_of_codes(codes + r * columns, columns);
}

// Four rows of a weight times one row of x, which is read as it is: four, so that x is loaded once for all of them.
inline void multiply_one_row8(const int8_t* x, int32_t correction, const Weight8& weight, int32_t* product)
{
    constexpr int64_t together = 4, step = 64;
    const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
    for (int64_t c = 0; c < weight.rows; c += together) {
        const int64_t rows = std::min(together, weight.rows - c);
        const int8_t* row[together];
        __m512i sum[together];
        for (int64_t i = 0; i < together; ++i) {
            row[i] = weight.codes + (c + std::min(i, rows - 1)) * weight.columns;
            sum[i] = _mm512_setzero_si512();
        }
        // The hardware prefetcher stops where rows end; beyond the weight it does no harm
        const auto next =
            reinterpret_cast<uintptr_t>(weight.codes) + static_cast<uintptr_t>((c + together) * weight.columns);
        int64_t k = 0;
        for (; k + step <= weight.columns; k += step) {
            const __m512i codes = _mm512_loadu_si512(x + k);
#pragma GCC unroll 4
            for (int64_t i = 0; i < together; ++i) {
                _mm_prefetch(reinterpret_cast<const char*>(next + static_cast<uintptr_t>(together * k + step * i)),
                             _MM_HINT_T1);
                sum[i] = _mm512_dpbusd_epi32(sum[i], _mm512_xor_si512(_mm512_loadu_si512(row[i] + k), flip), codes);
            }
        }
        const __mmask64 lanes = (__mmask64{1} << (weight.columns - k)) - 1;
        const __m512i codes = _mm512_maskz_loadu_epi8(lanes, x + k);
        for (int64_t i = 0; i < rows; ++i) {
            const __m512i last = _mm512_xor_si512(_mm512_maskz_loadu_epi8(lanes, row[i] + k), flip);
            product[c + i] = static_cast<int32_t>(sum_of_lanes(_mm512_dpbusd_epi32(sum[i], last, codes)) -
                                                  static_cast<uint32_t>(correction));
        }
    }
}

inline void multiply_rows8(const std::byte* packed, int64_t rows, const Weight8& weight, int32_t* product,
                           int64_t stride, std::byte* workspace)
{
    const auto* dwords = reinterpret_cast<const int32_t*>(packed);
    const int32_t* corrections = dwords + packed_dwords(rows, weight.columns);
    if (rows == 1) return multiply_one_row8(reinterpret_cast<const int8_t*>(packed), corrections[0], weight, product);
    if (weight.columns == 0) { // no register tile would store its sums
        for (int64_t r = 0; r < rows; ++r)
            std::fill_n(product + r * stride, weight.rows, 0);
        return;
    }
    const PlainPanel fill{weight.codes, weight.columns, to_unsigned};
    const auto finish = [&](int row, int64_t c, int count, const int32_t* sums) {
        const __m512i correction = _mm512_set1_epi32(corrections[row]);
        int32_t* to = product + row * stride + c;
        for (int i = 0; i < count; i += 16) {
            const auto lanes = static_cast<__mmask16>(count - i >= 16 ? 0xffff : (1u << (count - i)) - 1);
            _mm512_mask_storeu_epi32(to + i, lanes, _mm512_sub_epi32(_mm512_loadu_si512(sums + i), correction));
        }
    };
    packed_product<Int8Product>(dwords, static_cast<int>(rows), dwords_of<int8_t>(weight.columns), 0, weight.rows, fill,
                                finish, workspace);
}

// Up to four tiles of dequantized columns of a weight: tile c / 32, [count][32].
inline void gather_outliers8(const int64_t* columns, int64_t count, const Weight8& weight, const float* absmax,
                             float* tiles)
{
    // By rows, whose cache lines follow one another
    for (int64_t c = 0; c < weight.rows; ++c) {
        const int8_t* row = weight.codes + c * weight.columns;
        float* tile = tiles + c / tile_columns * tile_depth * tile_columns + c % tile_columns;
        for (int64_t j = 0; j < count; ++j)
            tile[j * tile_columns] = static_cast<float>(row[columns[j]]) * absmax[c] * one_int8_step;
    }
}

// In float32: with four codes a dword, an int8 product of the same depth is four times as fast, but outliers are few.
// float32 needs no more instructions than float16 activations split into two bfloat16 would.
struct OutlierWorkspace {
    float tiles[block_columns8 / tile_columns][tile_depth * tile_columns];
    int32_t panel[tile_depth * tile_rows];
    float sums[tile_rows * block_columns8];
};

inline void multiply_outliers8(const float* x, int64_t rows, const Outliers8& outliers, const Weight8& weight,
                               const float* absmax, float* product, int64_t stride, std::byte* workspace)
{
    auto& space = *reinterpret_cast<OutlierWorkspace*>(workspace);
    const RowPanels panels(static_cast<int>(rows), tile_rows);
    const int64_t row_bytes = outliers.count * static_cast<int64_t>(sizeof(float));
    for (int64_t first = 0; first < outliers.count; first += outlier_chain) {
        const int64_t count = std::min(outlier_chain, outliers.count - first);
        gather_outliers8(outliers.columns + first, count, weight, absmax, space.tiles[0]);
        for (int p = 0; p < panels.count; ++p) {
            const int in_panel = panels.rows(p);
            interleave_dwords({x + panels.first(p) * outliers.count + first, row_bytes, in_panel},
                              count * static_cast<int64_t>(sizeof(float)), space.panel, in_panel);
            for (int64_t c = 0; c < weight.rows; c += tile_columns)
                tile_for_rows<Float32Product>(in_panel)(count, space.panel,
                                                        reinterpret_cast<const int32_t*>(space.tiles[c / tile_columns]),
                                                        space.sums + c, block_columns8, false);
            for (int r = 0; r < in_panel; ++r) {
                float* to = product + (panels.first(p) + r) * stride;
                const float* sums = space.sums + r * block_columns8;
                for (int64_t c = 0; c < weight.rows; ++c)
                    to[c] = first == 0 ? sums[c] : to[c] + sums[c];
            }
        }
    }
}

inline int64_t workspace8_bytes(int64_t rows)
{
    const int64_t product = packed_product_workspace(static_cast<int>(rows)) * static_cast<int64_t>(sizeof(int32_t));
    return std::max<int64_t>(product, sizeof(OutlierWorkspace));
}

} // namespace

constinit const Products8Table products8 = {
    workspace8_bytes,
    packed_rows8_bytes,
    pack_rows8,
    multiply_rows8,
    multiply_outliers8,
    make_format_kernels<DequantizeProduct8>([]<class Target> { return dequantize_product8<NumbersSet, Target>; }),
};

} // namespace nbit::NBIT_AVX512
