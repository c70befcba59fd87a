// The rows of x packed for register tiles: blocks of tile_depth dwords, in a block panels of up to 14 rows, each
// [dwords][rows]. What one tile of the weight meets is then one contiguous stream.
#pragma once
#include "cpu/interleave_avx512.h"
#include "cpu/register_tile_avx512.h"

namespace nbit::NBIT_AVX512
{
namespace
{

// `total` rows in the fewest panels of at most `most` rows, as equal as can be.
struct RowPanels {
    int total, count;
    RowPanels(int rows, int most) : total(rows), count((rows + most - 1) / most) {}
    int first(int panel) const { return static_cast<int>(static_cast<int64_t>(total) * panel / count); }
    int rows(int panel) const { return first(panel + 1) - first(panel); }
};

template <class Element> constexpr int64_t dwords_of(int64_t elements)
{
    constexpr int64_t in_dword = 4 / sizeof(Element);
    return (elements + in_dword - 1) / in_dword;
}

// Where the panel that begins with a row lies in the block that begins with a dword of depth and has `count` of them.
inline int64_t packed_offset(int total_rows, int first_row, int64_t first_dword, int64_t count)
{
    return first_dword * total_rows + first_row * count;
}

// One panel: elements [first, first + count) of up to 16 rows. load(row, first, count, to) writes so many elements of a
// row of x to `to`, converted; a missing part of the last dword is zero.
template <class Element, class Load>
void pack_panel(int first_row, int rows, int64_t first, int64_t count, int32_t* to, const Load& load)
{
    constexpr int64_t chunk = 256;
    alignas(cache_line) Element strip[16][chunk];
    for (int64_t k = 0; k < count; k += chunk) {
        const int64_t length = std::min(chunk, count - k);
        for (int r = 0; r < rows; ++r)
            load(first_row + r, first + k, length, strip[r]);
        interleave_dwords({strip, sizeof(strip[0]), rows}, length * static_cast<int64_t>(sizeof(Element)), to, rows);
        to += dwords_of<Element>(length) * rows;
    }
}

// Panels [first, last) of rows of `depth` elements; threads may share the panels.
template <class Element, class Load>
void pack_panels(const RowPanels& panels, int first, int last, int64_t depth, int32_t* to, const Load& load)
{
    constexpr int64_t block = tile_depth * 4 / sizeof(Element); // elements
    for (int64_t k = 0; k < depth; k += block) {
        const int64_t count = std::min(block, depth - k);
        const int64_t first_dword = dwords_of<Element>(k), dwords = dwords_of<Element>(count);
        for (int p = first; p < last; ++p)
            pack_panel<Element>(panels.first(p), panels.rows(p), k, count,
                                to + packed_offset(panels.total, panels.first(p), first_dword, dwords), load);
    }
}

} // namespace
} // namespace nbit::NBIT_AVX512
