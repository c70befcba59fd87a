// The loops of the int8 products that instruction sets have in common.
#pragma once
#include "cpu/products8.h"
#include "cpu/rows8_tiles.h"

#include <algorithm>

namespace nbit
{
namespace
{

// For dequantize_product8 an instruction set brings, beyond the tiles of rows8_tiles.h,
//   from_int32(integers), the tile of their nearest numbers;
//   fused(x, y, z), x * y + z rounded once, and sum(x, y).

// A tile that may lie in part beyond the end.
template <class Set, class Load, class T> typename Set::Tile load_up_to(int64_t count, const T* from, const Load& load)
{
    return count >= Set::tile_size ? load(from) : load(PaddedTile<T, Set::tile_size>(from, count).data);
}

template <class Set, class Target> void dequantize_product8(const Product8& product, void* to, int64_t stride)
{
    constexpr int64_t size = Set::tile_size;
    const auto floats = [](const float* x) { return Set::load(x); };
    const auto step = Set::spread(one_product8_step), no_bias = Set::spread(-0.0f); // x + -0 is x, whatever its sign
    for (int64_t r = 0; r < product.rows; ++r) {
        const auto row = Set::spread(product.row_absmax[r]);
        auto* target = static_cast<Target*>(to) + r * stride;
        for (int64_t c = 0; c < product.columns; c += size) {
            const int64_t count = std::min(size, product.columns - c);
            auto value = load_up_to<Set>(count, product.sums + r * product.stride + c,
                                         [](const int32_t* x) { return Set::from_int32(x); });
            value = Set::product(Set::product(value, row), load_up_to<Set>(count, product.column_absmax + c, floats));
            const auto bias = product.bias ? load_up_to<Set>(count, product.bias + c, floats) : no_bias;
            value = Set::fused(value, step, bias);
            if (product.addend)
                value = Set::sum(value, load_up_to<Set>(count, product.addend + r * product.addend_stride + c, floats));
            if (count == size) {
                Set::store(target + c, value, false);
                continue;
            }
            alignas(cache_line) Target numbers[size];
            Set::store(numbers, value, false);
            std::memcpy(static_cast<void*>(target + c), numbers, static_cast<size_t>(count) * sizeof(Target));
        }
    }
}

// Where no instruction multiplies bytes into int32, sums are made from rows as they are: packing is a copy, and an
// instruction set brings
//   dot_rows, dot_columns, the size of a tile of sums, and
//   add_dots<Rows, Columns>(x, x_stride, weight, weight_stride, count, product, stride), which adds to them.

inline int64_t plain_packed_bytes8(int64_t rows, int64_t columns) { return rows * columns; }

inline void pack_plain_rows8(const int8_t* codes, int64_t rows, int64_t columns, const Panels8& panels,
                             std::byte* packed)
{
    const int64_t begin = first_row_of_panel8(rows, panels.first), end = first_row_of_panel8(rows, panels.last);
    std::copy_n(reinterpret_cast<const std::byte*>(codes) + begin * columns, (end - begin) * columns,
                packed + begin * columns);
}

// A tile of sums, which at an edge is made of smaller ones.
template <class Set>
void add_tile8(const int8_t* x, int64_t rows, const int8_t* weights, int64_t outputs, int64_t columns, int64_t count,
               int32_t* product, int64_t stride)
{
    if (rows == Set::dot_rows && outputs == Set::dot_columns)
        return Set::template add_dots<Set::dot_rows, Set::dot_columns>(x, columns, weights, columns, count, product,
                                                                       stride);
    for (int64_t r = 0; r < rows; ++r, x += columns, product += stride) {
        if (outputs == Set::dot_columns) {
            Set::template add_dots<1, Set::dot_columns>(x, columns, weights, columns, count, product, stride);
            continue;
        }
        for (int64_t c = 0; c < outputs; ++c)
            Set::template add_dots<1, 1>(x, columns, weights + c * columns, columns, count, product + c, stride);
    }
}

template <class Set>
void multiply_plain_rows8(const std::byte* packed, int64_t rows, const Weight8& weight, int32_t* product,
                          int64_t stride, std::byte* /*workspace*/)
{
    const auto* x = reinterpret_cast<const int8_t*>(packed);
    const int64_t columns = weight.columns;
    // A block of x stays in the second-level cache and some weights in the first; few rows leave no reason to go
    // through the weight in any order but its own
    const int64_t depth = rows <= Set::dot_rows ? columns : 1024;
    for (int64_t r = 0; r < rows; ++r)
        std::fill_n(product + r * stride, weight.rows, 0);
    for (int64_t k = 0; k < columns; k += depth)
        for (int64_t c = 0; c < weight.rows; c += Set::dot_columns)
            for (int64_t r = 0; r < rows; r += Set::dot_rows)
                add_tile8<Set>(x + r * columns + k, std::min<int64_t>(Set::dot_rows, rows - r),
                               weight.codes + c * columns + k, std::min<int64_t>(Set::dot_columns, weight.rows - c),
                               columns, std::min(depth, columns - k), product + r * stride + c, stride);
}

template <class Set>
void multiply_outliers_plain8(const float* x, int64_t rows, const Outliers8& outliers, const Weight8& weight,
                              const float* absmax, float* product, int64_t stride, std::byte* workspace)
{
    constexpr int64_t size = Set::tile_size;
    auto* weights = reinterpret_cast<float*>(workspace); // [outlier_chain][size]
    for (int64_t first = 0; first < outliers.count; first += outlier_chain) {
        const int64_t chain = std::min(outlier_chain, outliers.count - first);
        for (int64_t c = 0; c < weight.rows; c += size) {
            const int64_t count = std::min(size, weight.rows - c);
            for (int64_t j = 0; j < chain; ++j)
                for (int64_t i = 0; i < size; ++i) {
                    const int64_t at = (c + std::min(i, count - 1)) * weight.columns + outliers.columns[first + j];
                    weights[j * size + i] =
                        static_cast<float>(weight.codes[at]) * absmax[c + std::min(i, count - 1)] * one_int8_step;
                }
            for (int64_t r = 0; r < rows; ++r) {
                auto sum = Set::spread(0);
                for (int64_t j = 0; j < chain; ++j)
                    sum =
                        Set::fused(Set::spread(x[r * outliers.count + first + j]), Set::load(weights + j * size), sum);
                alignas(cache_line) float sums[size];
                Set::store(sums, sum, false);
                float* to = product + r * stride + c;
                for (int64_t i = 0; i < count; ++i)
                    to[i] = first == 0 ? sums[i] : to[i] + sums[i];
            }
        }
    }
}

// The table of a set without such an instruction.
template <class Set> consteval Products8Table make_plain_products8()
{
    return {[](int64_t /*rows*/) { return outlier_chain * Set::tile_size * static_cast<int64_t>(sizeof(float)); },
            plain_packed_bytes8,
            pack_plain_rows8,
            multiply_plain_rows8<Set>,
            multiply_outliers_plain8<Set>,
            make_format_kernels<DequantizeProduct8>([]<class Target> { return dequantize_product8<Set, Target>; })};
}

} // namespace
} // namespace nbit
