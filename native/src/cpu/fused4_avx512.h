// y = x W^T for about 5 to 32 rows of x: codes become bfloat16 in registers, beside the products that use them.
//
// Decoding takes two shuffles for 32 weights, which partly run where VDPBF16PS does not: decoding again for every panel
// of rows costs less than keeping what was decoded. The numbers are rounded to bfloat16 once; absmax stays float32 and
// multiplies the sum of each block.
#pragma once
#include "cpu/gemv4_avx512.h"
#include "cpu/pack_rows_avx512.h"

#if defined(__AVX512BF16__)
namespace nbit::NBIT_AVX512
{
namespace
{

// 11 rows would fit the registers too, and 16 rows x 16 columns would decode half as often: both measured slower, by 3
// to 10 % and by 5 %.
constexpr int fused_rows = 8;
constexpr int fused_columns = 32;
constexpr int most_fused_rows = 32;   // beyond, dequantized panels are faster
constexpr int64_t fused_depth = 1024; // elements decoded at a time: 8 KiB of codes for 16 rows of W

// Rows of codes that will be wanted soon: 32 rows of fused_depth elements. Their 256 lines are asked for a few at a
// time; a burst fills the miss buffers and stalls the core.
struct RowsAhead {
    uintptr_t first;
    int64_t stride;
    void prefetch(int64_t line) const
    {
        const auto address =
            reinterpret_cast<const char*>(first + static_cast<uintptr_t>(line / 8 * stride + line % 8 * cache_line));
        _mm_prefetch(address, _MM_HINT_T1);
        _mm_prefetch(address + cache_line, _MM_HINT_T1);
    }
};

// codes: [blocks * stretch / 8][32] dwords of 8 elements; scales: [blocks][32]; x: [blocks * stretch / 2][rows] pairs
// of bfloat16; sums: [rows][32], added to. A stretch is 32 or 64 elements.
template <int rows, int stretch>
void fused_tile(int64_t blocks, const int32_t* codes, const float* scales, const int32_t* x, __m512i table, float* sums,
                const RowsAhead& ahead)
{
    // Byte 2 i of control j moves element 2 j + i % 2 of a dword to the low bits of word i; VPERMW ignores the rest.
    constexpr int64_t controls[4] = {0x0020'0024'0000'0004, 0x0028'002C'0008'000C, 0x0030'0034'0010'0014,
                                     0x0038'003C'0018'001C};
    __m512i pick[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j)
        pick[j] = _mm512_set1_epi64(controls[j]);
    for (int64_t block = 0; block < blocks; ++block) {
        __m512 left[rows], right[rows];
#pragma GCC unroll 16
        for (int r = 0; r < rows; ++r)
            left[r] = right[r] = _mm512_setzero_ps();
        for (int d = 0; d < stretch / 8; ++d) {
            ahead.prefetch(2 * (block * (stretch / 8) + d));
#pragma GCC unroll 4
            for (int j = 0; j < 4; ++j) {
                const auto weights = [&](const int32_t* from) __attribute__((always_inline))
                {
                    return reinterpret_cast<__m512bh>(_mm512_permutexvar_epi16(
                        _mm512_multishift_epi64_epi8(pick[j], _mm512_load_si512(from)), table));
                };
                const __m512bh w0 = weights(codes), w1 = weights(codes + 16);
#pragma GCC unroll 16
                for (int r = 0; r < rows; ++r) {
                    const auto pair = reinterpret_cast<__m512bh>(_mm512_set1_epi32(x[r]));
                    left[r] = _mm512_dpbf16_ps(left[r], w0, pair);
                    right[r] = _mm512_dpbf16_ps(right[r], w1, pair);
                }
                x += rows;
            }
            codes += fused_columns;
        }
        const __m512 scale0 = _mm512_load_ps(scales), scale1 = _mm512_load_ps(scales + 16);
#pragma GCC unroll 16
        for (int r = 0; r < rows; ++r) {
            float* to = sums + r * fused_columns;
            _mm512_store_ps(to, _mm512_fmadd_ps(left[r], scale0, _mm512_load_ps(to)));
            _mm512_store_ps(to + 16, _mm512_fmadd_ps(right[r], scale1, _mm512_load_ps(to + 16)));
        }
        scales += fused_columns;
    }
}

using FusedTile = void (*)(int64_t blocks, const int32_t* codes, const float* scales, const int32_t* x, __m512i table,
                           float* sums, const RowsAhead& ahead);

template <int stretch, int... rows> inline FusedTile fused_for_rows(int wanted, std::integer_sequence<int, rows...>)
{
    static constexpr FusedTile tiles[] = {fused_tile<rows + 1, stretch>...};
    return tiles[wanted - 1];
}
template <int stretch> inline FusedTile fused_for_rows(int rows)
{
    return fused_for_rows<stretch>(rows, std::make_integer_sequence<int, fused_rows>{});
}

// Panels of x for it, one after the other, each over the whole depth.
template <class Load> void pack_fused(const RowPanels& panels, int64_t columns, int32_t* to, const Load& load)
{
    for (int p = 0; p < panels.count; ++p)
        pack_panel<BFloat16>(panels.first(p), panels.rows(p), 0, columns, to + panels.first(p) * columns / 2, load);
}

// Columns of y, 32 at a time, for a regular weight. Stretches are parts of blocks, and rows hold a whole number of
// them.
template <int stretch> class FusedProduct
{
public:
    FusedProduct(const Weight4& weight, const int32_t* x, int rows, void* workspace)
        : weight_(weight), x_(x), panels_(rows, fused_rows), compute_(weight.table), reader_(weight.scales),
          codes_(static_cast<int32_t*>(workspace)),
          sums_(reinterpret_cast<float*>(codes_ + fused_columns * fused_depth / 8)),
          scales_(sums_ + fused_columns * most_fused_rows), row_scales_(scales_ + fused_columns * blocks())
    {
    }

    static int64_t workspace_bytes(const Weight4& weight)
    {
        const int64_t floats = fused_depth / 8 + most_fused_rows + 2 * (weight.columns / stretch);
        return fused_columns * floats * static_cast<int64_t>(sizeof(float));
    }

    template <class Finish> void multiply(int64_t begin, int64_t end, const Finish& finish)
    {
        for (int64_t n = begin; n < end; n += fused_columns) {
            const int columns = static_cast<int>(std::min<int64_t>(fused_columns, end - n));
            read_scales(n, columns);
            std::fill_n(sums_, panels_.total * fused_columns, 0.0f);
            for (int64_t k = 0; k < weight_.columns; k += fused_depth)
                add_products(n, columns, k);
            for (int r = 0; r < panels_.total; ++r) {
                float* sums = sums_ + r * fused_columns;
                for (int c = 0; c < columns; ++c)
                    sums[c] *= compute_.unit;
                finish(r, n, columns, sums);
            }
        }
    }

private:
    int64_t blocks() const { return weight_.columns / stretch; }
    int64_t row_bytes() const { return weight_.columns / 2; }

    // Of the columns' rows of W, interleaved.
    void read_scales(int64_t n, int columns)
    {
        for (int c = 0; c < columns; ++c)
            read_stretch_scales(weight_, reader_, stretch == 64 ? 6 : 5, (n + c) * weight_.columns / stretch, blocks(),
                                row_scales_ + c * blocks());
        const int64_t bytes = blocks() * static_cast<int64_t>(sizeof(float));
        interleave(row_scales_, bytes, columns, bytes, reinterpret_cast<int32_t*>(scales_));
    }

    void add_products(int64_t n, int columns, int64_t k)
    {
        const int64_t depth = std::min(fused_depth, weight_.columns - k);
        const uint8_t* from = weight_.packed + n * row_bytes() + k / 2;
        interleave(from, row_bytes(), columns, depth / 2, codes_);
        // The rest of these rows, or the first part of the next ones.
        const int64_t ahead = k + depth < weight_.columns ? depth / 2 : fused_columns * row_bytes() - k / 2;
        const RowsAhead rows_ahead{reinterpret_cast<uintptr_t>(from) + static_cast<uintptr_t>(ahead), row_bytes()};
        for (int p = 0; p < panels_.count; ++p) {
            const int rows = panels_.rows(p);
            const int32_t* x = x_ + panels_.first(p) * weight_.columns / 2 + k / 2 * rows;
            fused_for_rows<stretch>(rows)(depth / stretch, codes_, scales_ + k / stretch * fused_columns, x,
                                          compute_.table, sums_ + panels_.first(p) * fused_columns, rows_ahead);
        }
    }

    static void interleave(const void* rows, int64_t row_stride, int count, int64_t bytes, int32_t* to)
    {
        for (int c = 0; c < count; c += 16)
            interleave_dwords({static_cast<const char*>(rows) + c * row_stride, row_stride, std::min(16, count - c)},
                              bytes, to + c, fused_columns);
    }

    const Weight4& weight_;
    const int32_t* x_;
    RowPanels panels_;
    GemvBFloat16 compute_;
    BlockScaleReader reader_;
    int32_t* codes_;
    float *sums_, *scales_, *row_scales_;
};

} // namespace
} // namespace nbit::NBIT_AVX512
#endif
