// Products with a 4-bit weight for instruction sets without a packed product of their own: x as rows of float32, the
// weight as dequantized tiles of float32 that stay in the first-level cache.
#pragma once
#include "cpu/linear4.h"
#include "cpu/product_rows.h"

namespace nbit
{
namespace
{

// An instruction set brings what product_rows.h names, and
//   decode(codes, table, to), 32 elements from 16 bytes of codes and the 16 numbers of their block;
//   transpose(from, from_stride, to), to[k * 16 + c] = from[c * from_stride + k] for c and k below 16;
//   tile_rows and multiply_tile<rows>(depth, x, x_stride, tile, sums, sums_stride), which adds the products of so many
//     rows of x and 16 columns to sums.

constexpr int tile4_columns = 16, group4_columns = 32;
constexpr int64_t tile4_depth = 128; // so that the two tiles of a group are 16 KiB

struct alignas(cache_line) Tiles4 {
    float values[group4_columns / tile4_columns][tile4_depth][tile4_columns];
};

template <class Set, class Compute> struct Table4 {
    alignas(cache_line) float values[32]; // Set::Tile may have 32 elements, of which 16 are meant
    Table4(const float* numbers, float absmax)
    {
        static_assert(Set::tile_size == 32);
        for (int i = 0; i < 16; ++i)
            values[i] = values[i + 16] = numbers[i] * absmax;
        Set::store(values, round_tile<Set, Compute>(Set::load(values)));
    }
};

// Elements around those that are asked for which decode_elements may write.
constexpr int64_t decode4_margin = 32;

// to[i] = weight of element first + i of the flattened weight. Blocks begin at even elements, so an odd first one has
// its neighbour decoded as well.
template <class Set, class Compute> void decode_elements(const Weight4& weight, int64_t first, int64_t count, float* to)
{
    constexpr int64_t step = 32;
    const int64_t end = first + count;
    int64_t at = first & ~int64_t{1};
    to -= first - at;
    while (at < end) {
        const int64_t stop = std::min(end, (at | (weight.blocksize - 1)) + 1);
        const Table4<Set, Compute> table(weight.table, scale_of_block(weight.scales, at / weight.blocksize));
        for (; at + step <= stop; at += step, to += step)
            Set::decode(weight.packed + at / 2, table.values, to);
        if (at == stop) continue;
        const PaddedTile<uint8_t, step / 2> codes(weight.packed + at / 2, (stop - at + 1) / 2);
        Set::decode(codes.data, table.values, to);
        to += stop - at;
        at = stop;
    }
}

// Columns of the tiles are rows of W.
template <class Set, class Compute>
void fill_forward(const Weight4& weight, int64_t n, int64_t columns, int64_t k, int64_t depth, Tiles4& tiles)
{
    alignas(cache_line) float strip[tile4_columns][decode4_margin + tile4_depth + decode4_margin] = {};
    for (int64_t c = 0; c < columns; c += tile4_columns) {
        for (int64_t r = 0; r < std::min<int64_t>(tile4_columns, columns - c); ++r)
            decode_elements<Set, Compute>(weight, (n + c + r) * weight.columns + k, depth, strip[r] + decode4_margin);
        for (int64_t d = 0; d < depth; d += tile4_columns)
            Set::transpose(strip[0] + decode4_margin + d, sizeof(strip[0]) / sizeof(float),
                           tiles.values[c / tile4_columns][d]);
    }
}

// Columns of the tiles are columns of W.
template <class Set, class Compute>
void fill_backward(const Weight4& weight, int64_t k, int64_t columns, int64_t n, int64_t depth, Tiles4& tiles)
{
    alignas(cache_line) float strip[decode4_margin + group4_columns + decode4_margin] = {};
    for (int64_t d = 0; d < depth; ++d) {
        decode_elements<Set, Compute>(weight, (n + d) * weight.columns + k, columns, strip + decode4_margin);
        for (int64_t c = 0; c < group4_columns; c += tile4_columns)
            std::copy_n(strip + decode4_margin + c, tile4_columns, tiles.values[c / tile4_columns][d]);
    }
}

template <class Set, class Compute, bool is_forward> struct TileKernel4 {
    static int64_t depth(const Product4& p) { return is_forward ? p.weight.columns : p.weight.rows; }
    static int64_t width(const Product4& p) { return is_forward ? p.weight.rows : p.weight.columns; }

    static int64_t packed_bytes(const Product4& p) { return p.rows * depth(p) * static_cast<int64_t>(sizeof(float)); }
    static int64_t pack_parts(const Product4& p) { return p.rows; }
    static int64_t workspace_bytes(const Product4& p)
    {
        return static_cast<int64_t>(sizeof(Tiles4)) + p.rows * group4_columns * static_cast<int64_t>(sizeof(float));
    }

    static void pack(const Product4& p, int64_t begin, int64_t end, void* packed)
    {
        rows.load.find(p.type)(p.x, begin * depth(p), (end - begin) * depth(p),
                               static_cast<float*>(packed) + begin * depth(p));
    }

    static void multiply(const Product4& p, const void* packed, int64_t begin, int64_t end, void* workspace)
    {
        auto& tiles = *static_cast<Tiles4*>(workspace);
        auto* sums = reinterpret_cast<float*>(&tiles + 1);
        const StoreRow store = rows.store.find(p.type);
        for (int64_t n = begin; n < end; n += group4_columns) {
            const int64_t columns = std::min<int64_t>(group4_columns, end - n);
            std::fill_n(sums, p.rows * group4_columns, 0.0f);
            for (int64_t k = 0; k < depth(p); k += tile4_depth) {
                const int64_t count = std::min(tile4_depth, depth(p) - k);
                if constexpr (is_forward)
                    fill_forward<Set, Compute>(p.weight, n, columns, k, count, tiles);
                else
                    fill_backward<Set, Compute>(p.weight, n, columns, k, count, tiles);
                for (int64_t c = 0; c < columns; c += tile4_columns)
                    add_products(p, static_cast<const float*>(packed) + k, count, tiles.values[c / tile4_columns][0],
                                 sums + c);
            }
            for (int64_t r = 0; r < p.rows; ++r)
                store(sums + r * group4_columns, p.bias ? p.bias + n : nullptr, columns, p.y, r * width(p) + n);
        }
    }

    static constexpr Linear4Kernel kernel{packed_bytes, pack_parts, pack, workspace_bytes, group4_columns, multiply};

private:
    static constexpr ProductRows<float> rows = make_product_rows<Set, Compute, float>();

    static void add_products(const Product4& p, const float* x, int64_t count, const float* tile, float* sums)
    {
        int64_t r = 0;
        for (; r + Set::tile_rows <= p.rows; r += Set::tile_rows)
            Set::template multiply_tile<Set::tile_rows>(count, x + r * depth(p), depth(p), tile,
                                                        sums + r * group4_columns, group4_columns);
        for (; r < p.rows; ++r)
            Set::template multiply_tile<1>(count, x + r * depth(p), depth(p), tile, sums + r * group4_columns,
                                           group4_columns);
    }
};

// choose.operator()<Compute>(), for the compute type of a product.
template <class Choose> inline const Linear4Kernel& by_compute_type(const Product4& product, Choose choose)
{
    switch (product.compute_type) {
    case NBIT_DATA_TYPE_BFLOAT16:
        return choose.template operator()<BFloat16>();
    case NBIT_DATA_TYPE_FLOAT16:
        return choose.template operator()<Float16>();
    default:
        return choose.template operator()<float>();
    }
}

} // namespace
} // namespace nbit
