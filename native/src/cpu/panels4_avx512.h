// Tiles of packed products from a 4-bit weight: forward ones have rows of W as columns and run along a row, backward
// ones have columns of W as columns and run along the rows.
#pragma once
#include "cpu/plain_panel_avx512.h"
#include "cpu/weight4_avx512.h"

namespace nbit::NBIT_AVX512
{
namespace
{

template <class Decoder> class ForwardPanel4
{
public:
    using Element = typename Decoder::Element;
    explicit ForwardPanel4(const Weight4& weight) : weight_(weight), decoder_(weight.table), scales_(weight.scales) {}

    void operator()(int64_t n, int columns, int64_t first, int64_t count, int32_t* tile) const
    {
        constexpr int64_t in_dword = 4 / sizeof(Element), longest = tile_depth * in_dword;
        alignas(cache_line) Element strip[16][decode_margin + longest + decode_margin];
        const int64_t k = first * in_dword, length = std::min(count * in_dword, weight_.columns - k);
        for (int c = 0; c < columns; c += 16) {
            const int rows = std::min(16, columns - c);
            for (int r = 0; r < rows; ++r)
                decode((n + c + r) * weight_.columns + k, length, strip[r] + decode_margin);
            interleave_dwords({strip[0] + decode_margin, sizeof(strip[0]), rows},
                              length * static_cast<int64_t>(sizeof(Element)), tile + c, tile_columns);
        }
    }

private:
    void decode(int64_t first, int64_t count, Element* to) const
    {
        float scales[2 * tile_depth / 32 + 2]; // of blocks of 32 elements
        const int64_t block = first / weight_.blocksize, last = (first + count - 1) / weight_.blocksize;
        scales_.read(block, last - block + 1, scales);
        decode_elements(weight_, decoder_, first, count, scales, to);
    }

    const Weight4& weight_;
    Decoder decoder_;
    BlockScaleReader scales_;
};

// What both backward panels do: up to 32 elements from a row, which may lie in two blocks.
template <class Decoder> class BackwardRows4
{
public:
    using Element = typename Decoder::Element;
    explicit BackwardRows4(const Weight4& weight)
        : weight_(weight), decoder_(weight.table), is_regular_(weight.is_regular())
    {
    }

    // Element 0 of what comes back is that of column k.
    struct Stretch {
        alignas(cache_line) Element elements[decode_margin + tile_columns + decode_margin];
        const Element* begin() const { return elements + decode_margin; }
    };

    bool is_regular() const { return is_regular_; }
    int64_t rows() const { return weight_.rows; }

    // Codes of 32 columns in one block, and the table of that block. For regular weights.
    struct Codes {
        __m128i codes;
        typename Decoder::Table table;
    };
    Codes codes(int64_t row, int64_t k) const
    {
        const int64_t first = row * weight_.columns + k;
        return {load_codes(weight_.packed + first / 2),
                decoder_.table(scale_of_block(weight_.scales, first / weight_.blocksize))};
    }

    void decode(int64_t row, int64_t k, int columns, Stretch& to) const
    {
        const int64_t first = row * weight_.columns + k, block = first / weight_.blocksize;
        float scales[2];
        for (int i = 0; block + i <= (first + columns - 1) / weight_.blocksize; ++i)
            scales[i] = scale_of_block(weight_.scales, block + i);
        decode_elements(weight_, decoder_, first, columns, scales, to.elements + decode_margin);
    }

    // A line of 64 bytes serves the four tiles of a group; asks for the rows of the next depth.
    void prefetch(int64_t row, int64_t k, int64_t rows_ahead) const
    {
        const int64_t offset = ((row + rows_ahead) * weight_.columns + k) / 2;
        _mm_prefetch(
            reinterpret_cast<const char*>(reinterpret_cast<uintptr_t>(weight_.packed) + static_cast<uintptr_t>(offset)),
            _MM_HINT_T1);
    }

private:
    const Weight4& weight_;
    Decoder decoder_;
    bool is_regular_;
};

// A dword of depth is an element of one row.
template <class Decoder> class BackwardPanel4
{
public:
    explicit BackwardPanel4(const Weight4& weight) : rows_(weight) {}

    void operator()(int64_t k, int columns, int64_t first, int64_t count, int32_t* tile) const
    {
        for (int64_t row = first; row < first + count; ++row, tile += tile_columns) {
            rows_.prefetch(row, k, tile_depth);
            auto* to = reinterpret_cast<float*>(tile);
            if (rows_.is_regular()) {
                const auto [codes, table] = rows_.codes(row, k);
                Decoder::decode(codes, table, to);
                continue;
            }
            typename BackwardRows4<Decoder>::Stretch stretch;
            rows_.decode(row, k, columns, stretch);
            std::copy_n(stretch.begin(), columns, to);
        }
    }

private:
    BackwardRows4<Decoder> rows_;
};

#if defined(__AVX512BF16__)
// A dword of depth is the pair of elements of two rows, (2 d, 2 d + 1): two decoded rows are interleaved by words, and
// nothing is transposed.
template <> class BackwardPanel4<BFloat16Decoder>
{
public:
    explicit BackwardPanel4(const Weight4& weight) : rows_(weight) {}

    void operator()(int64_t k, int columns, int64_t first, int64_t count, int32_t* tile) const
    {
        const __m512i low = _mm512_load_si512(zip.low), high = _mm512_load_si512(zip.high);
        for (int64_t d = first; d < first + count; ++d, tile += tile_columns) {
            const __m512i even = row(2 * d, k, columns);
            const __m512i odd = 2 * d + 1 < rows_.rows() ? row(2 * d + 1, k, columns) : _mm512_setzero_si512();
            _mm512_store_si512(tile, _mm512_permutex2var_epi16(even, low, odd));
            _mm512_store_si512(tile + 16, _mm512_permutex2var_epi16(even, high, odd));
        }
    }

private:
    __m512i row(int64_t row, int64_t k, int columns) const
    {
        rows_.prefetch(row, k, 2 * tile_depth);
        if (rows_.is_regular()) {
            const auto [codes, table] = rows_.codes(row, k);
            return BFloat16Decoder::decode(codes, table);
        }
        BackwardRows4<BFloat16Decoder>::Stretch stretch;
        rows_.decode(row, k, columns, stretch);
        return _mm512_load_si512(stretch.begin());
    }

    BackwardRows4<BFloat16Decoder> rows_;
};
#endif

} // namespace
} // namespace nbit::NBIT_AVX512
