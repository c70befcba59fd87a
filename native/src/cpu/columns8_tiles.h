// The loops of the int8 column kernels of all instruction sets.
#pragma once
#include "cpu/rows8_tiles.h"

#include <algorithm>

namespace nbit
{
namespace
{

// An instruction set brings, beyond what rows8_tiles.h names,
//   raise(bits, tile), which makes each of the integers there the larger one of itself and the tile's magnitude bits;
//   store_line(target, source, stream), which copies a cache line.

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

template <class Set, class Source> void raise_columns8(const void* from, const MatrixPart& part, uint32_t* largest)
{
    constexpr int64_t size = Set::tile_size;
    const auto* row = static_cast<const Source*>(from);
    const int64_t whole = part.columns / size * size, rest = part.columns - whole;
    for (int64_t r = 0; r < part.rows; ++r, row += part.stride) {
        for (int64_t c = 0; c < whole; c += size)
            Set::raise(largest + c, Set::load(row + c));
        if (rest == 0) continue;
        PaddedTile<uint32_t, size> last(largest + whole, rest);
        Set::raise(last.data, Set::load(PaddedTile<Source, size>(row + whole, rest).data));
        std::memcpy(largest + whole, last.data, static_cast<size_t>(rest) * sizeof(uint32_t));
    }
}

// A band of columns: its codes are made row by row, transposed in the first-level cache, and written as whole cache
// lines.
template <class Set, class Source> class ColumnBand
{
public:
    static constexpr int64_t widest = 256;

    // Of at most `widest` columns that begin at `source`.
    ColumnBand(const Source* source, int64_t stride, int64_t width, const float* absmax)
        : source_(source), stride_(stride), width_(width), absmax_(absmax)
    {
        for (int64_t c = 0; c < width; ++c) {
            top_[c] = is_special(absmax[c]) ? none : absmax[c];
            scale_[c] = row_scale(absmax[c]);
        }
    }

    void quantize(int64_t rows, int8_t* codes, int64_t code_stride, bool stream)
    {
        for (int64_t first = 0; first < rows; first += height) {
            const int64_t count = std::min(height, rows - first);
            for (int64_t r = 0; r < count; ++r)
                encode(source_ + (first + r) * stride_, coded_[r]);
            for (int64_t c = 0; c < width_; c += 8)
                write_transposed(c, count, codes + c * code_stride + first, code_stride, stream);
        }
        for (int64_t c = 0; c < width_; ++c)
            if (std::isinf(absmax_[c]))
                quantize_special_line(source_ + c, stride_, rows, absmax_[c], codes + c * code_stride);
    }

private:
    static constexpr int64_t size = Set::tile_size, height = cache_line;
    static constexpr float none = -1; // no magnitude is that small

    void encode(const Source* row, int8_t* codes) const
    {
        // So short a part of a row makes no processor read ahead by itself
        const auto next = reinterpret_cast<uintptr_t>(row) + widest * sizeof(Source);
        for (size_t byte = 0; byte < widest * sizeof(Source); byte += cache_line)
            Set::prefetch(reinterpret_cast<const void*>(next + byte));
        for (int64_t c = 0; c < width_; c += size) {
            const auto tile =
                c + size <= width_ ? Set::load(row + c) : Set::load(PaddedTile<Source, size>(row + c, width_ - c).data);
            Set::encode(tile, Set::load(top_ + c), Set::load(scale_ + c), codes + c, false);
        }
    }

    // Eight columns.
    void write_transposed(int64_t first, int64_t count, int8_t* codes, int64_t code_stride, bool stream) const
    {
        alignas(cache_line) int8_t transposed[8][height];
        for (int64_t r = 0; r < height; r += 8) {
            uint64_t square[8];
            for (int i = 0; i < 8; ++i)
                std::memcpy(&square[i], &coded_[r + i][first], 8);
            transpose(square);
            for (int i = 0; i < 8; ++i)
                std::memcpy(&transposed[i][r], &square[i], 8);
        }
        for (int64_t c = 0; c < std::min<int64_t>(8, width_ - first); ++c) {
            if (count == height)
                Set::store_line(codes + c * code_stride, transposed[c], stream);
            else
                std::memcpy(codes + c * code_stride, transposed[c], static_cast<size_t>(count));
        }
    }

    const Source* source_;
    int64_t stride_, width_;
    const float* absmax_;
    alignas(cache_line) float top_[widest] = {};
    alignas(cache_line) float scale_[widest] = {};
    alignas(cache_line) int8_t coded_[height][widest] = {};
};

template <class Set, class Source>
void quantize_columns8(const void* from, const MatrixPart& part, const float* absmax, int8_t* codes,
                       int64_t code_stride, bool stream)
{
    using Band = ColumnBand<Set, Source>;
    stream = stream && is_aligned(codes, cache_line) && code_stride % cache_line == 0;
    for (int64_t c = 0; c < part.columns; c += Band::widest)
        Band(static_cast<const Source*>(from) + c, part.stride, std::min(Band::widest, part.columns - c), absmax + c)
            .quantize(part.rows, codes + c * code_stride, code_stride, stream);
    if (stream) Set::finish_stream();
}

// The table of an instruction set.
template <class Set> consteval Rows8Table make_rows8_tiles()
{
    return {make_format_kernels<QuantizeRows8>([]<class Source> { return quantize_rows8<Set, Source>; }),
            make_format_kernels<RaiseColumns8>([]<class Source> { return raise_columns8<Set, Source>; }),
            make_format_kernels<QuantizeColumns8>([]<class Source> { return quantize_columns8<Set, Source>; }),
            make_format_kernels<DequantizeRows8>([]<class Target> { return dequantize_rows8<Set, Target>; })};
}

} // namespace
} // namespace nbit
