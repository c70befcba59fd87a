// What the products of a few rows of x, straight from the canonical bytes of a 4-bit weight, have in common.
#pragma once
#include "cpu/product_rows.h"
#include "cpu/weight4.h"

#include <bit>
#include <numeric>

namespace nbit
{
namespace
{

// Rows of x in groups of 1 to 4, as equal as can be, which go through a batch of rows of W one after the other.
// Decoding again for each group takes less time than tiles of dequantized weights as long as there are few groups.
struct GemvGroups {
    static constexpr int64_t most_rows = 4;
    int64_t total, count;
    explicit GemvGroups(int64_t rows) : total(rows), count((rows + most_rows - 1) / most_rows) {}
    int64_t first(int64_t group) const { return total * group / count; }
    int64_t rows(int64_t group) const { return first(group + 1) - first(group); }
};

// A row of W begins anywhere in a unit, the elements whose codes are decoded with one scale. All rows that begin at the
// same place share a copy of x, shifted by as much, with zeros for the elements of the rows before and after: one copy
// where columns are a multiple of the unit, at most as many as a unit has elements. Copies are
// [chunks][rows of x][chunk], in each chunk's order of decoding.
template <int64_t unit, int64_t chunk> struct GemvPhases {
    int64_t columns, count, chunks;
    explicit GemvPhases(int64_t all_columns)
        : columns(all_columns), count(unit / std::gcd(all_columns, unit)),
          chunks((all_columns + (count > 1 ? unit - 1 : 0) + chunk - 1) / chunk)
    {
    }
    int64_t offset(int64_t row) const { return row * columns % unit; }
    int64_t size(int64_t rows) const { return chunks * chunk * rows; } // elements of a copy
    // Of all copies, and before those of a group in the memory that holds all groups.
    int64_t total_size(int64_t rows) const { return count * size(rows); }

    // load(row, first, count, to) as in pack_panel; Compute::shuffle orders the elements of a chunk.
    template <class Compute, class Load>
    void shuffle_x(int64_t first_row, int64_t rows, typename Compute::Element* to, const Load& load) const
    {
        constexpr int64_t lanes = chunk / Compute::vectors;
        for (int64_t phase = 0; phase < count; ++phase)
            for (int64_t i = 0; i < chunks; ++i, to += chunk * rows) {
                const int64_t first = i * chunk - offset(phase);
                const int64_t begin = std::max<int64_t>(first, 0), end = std::min(first + chunk, columns);
                for (int64_t m = 0; m < rows; ++m) {
                    // Vectors that are read from places within the chunk end a little behind it.
                    alignas(cache_line) typename Compute::Element elements[chunk + 4] = {};
                    if (begin < end) load(first_row + m, begin, end - begin, elements + (begin - first));
                    Compute::shuffle(elements, to + m * lanes, rows * lanes);
                }
            }
    }
};

// The scales of stretches of 2^stretch_log2 elements, of which a block holds a whole number. scales.read(first, count,
// to) reads those of blocks.
template <class Reader>
inline void read_stretch_scales(const Weight4& weight, const Reader& scales, int stretch_log2, int64_t first,
                                int64_t count, float* to)
{
    const int64_t in_block = weight.blocksize >> stretch_log2;
    if (in_block == 1) return scales.read(first, count, to);
    int64_t block = first / in_block, passed = first % in_block;
    for (int64_t i = 0; i < count;) {
        constexpr int64_t most = 64;
        float some[most];
        const int64_t blocks = std::min(most, (passed + count - i - 1) / in_block + 1);
        scales.read(block, blocks, some);
        block += blocks;
        for (int64_t b = 0; b < blocks; ++b, passed = 0) {
            const int64_t run = std::min(count - i, in_block - passed);
            std::fill_n(to + i, run, some[b]);
            i += run;
        }
    }
}

// Scales of the stretches that a row of W has a part in, and zeros behind them.
struct GemvScales {
    int stretch_log2; // a division takes as long as 64 products
    int64_t stride;   // floats that a row needs

    GemvScales(const Weight4& weight, int64_t stretch)
        : stretch_log2(std::countr_zero(static_cast<uint64_t>(stretch))), stride(weight.columns / stretch + 2 + padding)
    {
    }

    template <class Reader> void read(const Weight4& weight, const Reader& scales, int64_t row, float* to) const
    {
        const int64_t first = row * weight.columns >> stretch_log2;
        const int64_t count = (((row + 1) * weight.columns - 1) >> stretch_log2) + 1 - first;
        read_stretch_scales(weight, scales, stretch_log2, first, count, to);
        std::fill(to + count, to + stride, 0.0f);
    }

private:
    // Whole chunks read beyond the last stretch, in vectors of up to 8.
    static constexpr int64_t padding = 16;
};

} // namespace
} // namespace nbit
