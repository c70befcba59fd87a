// The loops of the int8 column kernels of all instruction sets.
#pragma once
#include "cpu/rows8_tiles.h"

#include <algorithm>

namespace nbit
{
namespace
{

// An instruction set brings, beyond what rows8_tiles.h names,
//   ColumnMaximum with include(tile) and bits(), the largest magnitude bits at each place of the tiles.

// Exchanges rows and columns of a square of bytes, whose rows are words with the first byte lowest.
inline void transpose(uint64_t (&row)[8])
{
    const auto exchange = [&](int distance, uint64_t lower) { // upper parts of one row, lower parts of the other
        for (int i = 0; i < 8; ++i) {
            if (i & distance) continue;
            const uint64_t both = (row[i] >> (8 * distance) ^ row[i + distance]) & lower;
            row[i + distance] ^= both;
            row[i] ^= both << (8 * distance);
        }
    };
    exchange(4, 0x00000000ffffffff);
    exchange(2, 0x0000ffff0000ffff);
    exchange(1, 0x00ff00ff00ff00ff);
}

// As many columns as a tile holds, `height` rows at a time: coded row by row, transposed in the first-level cache, and
// written as whole cache lines.
template <class Set, class Source> class ColumnPanel
{
public:
    ColumnPanel(const Source* source, int64_t rows, int64_t stride, int64_t width)
        : source_(source), rows_(rows), stride_(stride), width_(width)
    {
    }

    void find_absmax(const uint8_t* left_out, float* absmax) const
    {
        typename Set::ColumnMaximum maximum;
        for (int64_t r = 0; r < rows_; ++r)
            maximum.include(row(r));
        const auto bits = maximum.bits();
        for (int64_t c = 0; c < width_; ++c)
            absmax[c] = left_out && left_out[c] ? 0 : absmax_from_bits<float>(bits.lane[c]);
    }

    void quantize(const float* absmax, int8_t* codes) const
    {
        float tops[size] = {}, scales[size] = {};
        for (int64_t c = 0; c < width_; ++c) {
            tops[c] = is_special(absmax[c]) ? none : absmax[c];
            scales[c] = row_scale(absmax[c]);
        }
        const auto top = Set::load(tops), scale = Set::load(scales);
        for (int64_t first = 0; first < rows_; first += height) {
            const int64_t count = std::min(height, rows_ - first);
            alignas(cache_line) int8_t coded[height][size];
            for (int64_t r = 0; r < count; ++r)
                Set::encode(row(first + r), top, scale, coded[r], false);
            write_transposed(coded, count, codes + first);
        }
        for (int64_t c = 0; c < width_; ++c)
            if (std::isinf(absmax[c])) quantize_special_line(source_ + c, stride_, rows_, absmax[c], codes + c * rows_);
    }

private:
    static constexpr int64_t size = Set::tile_size, height = cache_line;
    static constexpr float none = -1; // no magnitude is that small

    auto row(int64_t r) const
    {
        const Source* x = source_ + r * stride_;
        return width_ == size ? Set::load(x) : Set::load(PaddedTile<Source, size>(x, width_).data);
    }

    void write_transposed(const int8_t (&coded)[height][size], int64_t count, int8_t* codes) const
    {
        alignas(cache_line) int8_t transposed[size][height];
        for (int64_t c = 0; c < size; c += 8)
            for (int64_t r = 0; r < height; r += 8) {
                uint64_t square[8];
                for (int i = 0; i < 8; ++i)
                    std::memcpy(&square[i], &coded[r + i][c], 8);
                transpose(square);
                for (int i = 0; i < 8; ++i)
                    std::memcpy(&transposed[c + i][r], &square[i], 8);
            }
        for (int64_t c = 0; c < width_; ++c)
            std::memcpy(codes + c * rows_, transposed[c], static_cast<size_t>(count));
    }

    const Source* source_;
    int64_t rows_, stride_, width_;
};

template <class Set, class Source>
void quantize_columns8(const void* from, const ColumnRange& range, const uint8_t* left_out, int8_t* codes,
                       float* absmax)
{
    for (int64_t c = range.begin; c < range.end; c += Set::tile_size) {
        const ColumnPanel<Set, Source> panel(static_cast<const Source*>(from) + c, range.rows, range.columns,
                                             std::min(Set::tile_size, range.end - c));
        panel.find_absmax(left_out ? left_out + c : nullptr, absmax + c);
        panel.quantize(absmax + c, codes + c * range.rows);
    }
}

// The table of an instruction set.
template <class Set> consteval Rows8Table make_rows8_tiles()
{
    return {make_format_kernels<QuantizeRows8>([]<class Source> { return quantize_rows8<Set, Source>; }),
            make_format_kernels<QuantizeColumns8>([]<class Source> { return quantize_columns8<Set, Source>; }),
            make_format_kernels<DequantizeRows8>([]<class Target> { return dequantize_rows8<Set, Target>; })};
}

} // namespace
} // namespace nbit
