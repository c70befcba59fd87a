// c[m x n] = a[m x depth] * b[depth x n] around the register tile, for the columns that one thread works on.
//
// Loop order: 128 columns, 192 dwords of depth, 32 columns, 14 rows. The rows of a in a block of depth (393 KiB) and
// the sums (259 KiB) stay in the second-level cache, and the tile of b (24 KiB) in the first one, where all rows of a
// meet it. b is made tile by tile from whatever the weight is stored as, so that a dequantized weight never exists
// outside that cache. More rows of a than this come in several products.
#pragma once
#include "cpu/pack_rows_avx512.h"

namespace nbit::NBIT_AVX512
{
namespace
{

constexpr int packed_group = 128;                // columns
constexpr int most_packed_rows = 37 * tile_rows; // 518, so that 512 make one product

// Dwords of a thread's own memory, which begins a cache line: a tile of b, and the sums of a group.
inline int64_t packed_product_workspace(int rows)
{
    return tile_depth * tile_columns + static_cast<int64_t>(rows) * packed_group;
}

// a: up to most_packed_rows rows, packed as RowPanels(rows, tile_rows); depth in dwords.
// fill(n, columns, first, count, tile) writes dwords [first, first + count) of columns [n, n + columns) of b to
//   tile[count][32]; what it leaves in columns past `columns` is multiplied and ignored.
// finish(row, n, count, sums) takes `count` sums of a row of c, from column n on.
// Which columns are computed together, and by how many threads, does not change a sum.
template <class Product, class Fill, class Finish>
void packed_product(const int32_t* a, int rows, int64_t depth, int64_t begin, int64_t end, const Fill& fill,
                    const Finish& finish, void* workspace)
{
    const RowPanels panels(rows, tile_rows);
    auto* tile = static_cast<int32_t*>(workspace);
    auto* sums = reinterpret_cast<typename Product::Sum*>(tile + tile_depth * tile_columns);
    for (int64_t group = begin; group < end; group += packed_group) {
        const int64_t group_end = std::min(group + packed_group, end);
        for (int64_t d = 0; d < depth; d += tile_depth) {
            const int64_t count = std::min(tile_depth, depth - d);
            for (int64_t n = group; n < group_end; n += tile_columns) {
                fill(n, static_cast<int>(std::min<int64_t>(tile_columns, group_end - n)), d, count, tile);
                for (int p = 0; p < panels.count; ++p)
                    tile_for_rows<Product>(panels.rows(p))(
                        count, a + packed_offset(rows, panels.first(p), d, count), tile,
                        sums + static_cast<int64_t>(panels.first(p)) * packed_group + (n - group), packed_group, d > 0);
            }
        }
        for (int r = 0; r < rows; ++r)
            finish(r, group, static_cast<int>(group_end - group), sums + static_cast<int64_t>(r) * packed_group);
    }
}

} // namespace
} // namespace nbit::NBIT_AVX512
