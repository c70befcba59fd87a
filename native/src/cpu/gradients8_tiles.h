// The loops of the gradients of int8 layers that instruction sets with few registers have in common.
#pragma once
#include "cpu/gradients8.h"
#include "cpu/products8_tiles.h"

namespace nbit
{
namespace
{

// An instruction set brings, beyond what products8_tiles.h names,
//   multiply_add(x, y, z), x * y + z, rounded once or twice.
// Rows are packed as float32, and a strip of the weight, as wide as a tile, is dequantized into the first-level cache.

template <class Set, class T>
void pack_gradient8(const void* gradient, int64_t rows, int64_t columns, const Panels8& panels, std::byte* packed)
{
    constexpr int64_t size = Set::tile_size;
    const int64_t begin = first_row_of_panel8(rows, panels.first) * columns;
    const int64_t end = first_row_of_panel8(rows, panels.last) * columns;
    const auto* from = static_cast<const T*>(gradient);
    auto* to = reinterpret_cast<float*>(packed);
    int64_t i = begin;
    for (; i + size <= end; i += size)
        Set::store(to + i, Set::load(from + i), false);
    if (i == end) return;
    alignas(cache_line) float numbers[size];
    Set::store(numbers, Set::load(PaddedTile<T, size>(from + i, end - i).data), false);
    std::copy_n(numbers, end - i, to + i);
}

inline constexpr int64_t gradient_depth8 = 256; // rows of a strip

template <class Set> struct GradientWorkspace8 {
    float strip[gradient_depth8][Set::tile_size];
    float sums[block_rows8][Set::tile_size];
};

template <class Set, class T>
void dequantize_strip8(const WeightColumns8& weight, int64_t first, int64_t count, int64_t column, float* strip)
{
    constexpr int64_t size = Set::tile_size;
    const int64_t columns = std::min(size, weight.columns - column);
    const auto step = Set::spread(one_int8_step);
    for (int64_t o = first; o < first + count; ++o, strip += size) {
        const int8_t* codes = weight.codes + o * weight.stride + column;
        const auto numbers = load_up_to<Set>(columns, codes, [](const int8_t* x) { return Set::decode(x); });
        alignas(cache_line) T rounded[size];
        Set::store(rounded, Set::product(Set::product(numbers, Set::spread(weight.absmax[o])), step), false);
        Set::store(strip, Set::load(rounded), false);
    }
}

// Adds `count` products to the sums of so many rows: two rows are as many accumulators as leave registers for the
// strip.
template <class Set, int rows>
void add_strip8(const float* x, int64_t x_stride, int64_t count, const float* strip, float (*sums)[Set::tile_size])
{
    typename Set::Tile sum[rows];
    for (int r = 0; r < rows; ++r)
        sum[r] = Set::load(sums[r]);
    for (int64_t o = 0; o < count; ++o) {
        const auto weights = Set::load(strip + o * Set::tile_size);
        for (int r = 0; r < rows; ++r)
            sum[r] = Set::multiply_add(Set::spread(x[r * x_stride + o]), weights, sum[r]);
    }
    for (int r = 0; r < rows; ++r)
        Set::store(sums[r], sum[r], false);
}

template <class Set, class T>
void multiply_gradient8(const std::byte* packed, int64_t rows, const WeightColumns8& weight, void* to, int64_t stride,
                        std::byte* workspace)
{
    constexpr int64_t size = Set::tile_size;
    auto& space = *reinterpret_cast<GradientWorkspace8<Set>*>(workspace);
    const auto* x = reinterpret_cast<const float*>(packed);
    for (int64_t column = 0; column < weight.columns; column += size) {
        std::fill_n(space.sums[0], rows * size, 0.0f);
        for (int64_t first = 0; first < weight.rows; first += gradient_depth8) {
            const int64_t count = std::min(gradient_depth8, weight.rows - first);
            dequantize_strip8<Set, T>(weight, first, count, column, space.strip[0]);
            int64_t r = 0;
            for (; r + 2 <= rows; r += 2)
                add_strip8<Set, 2>(x + r * weight.rows + first, weight.rows, count, space.strip[0], space.sums + r);
            if (r < rows)
                add_strip8<Set, 1>(x + r * weight.rows + first, weight.rows, count, space.strip[0], space.sums + r);
        }
        const int64_t columns = std::min(size, weight.columns - column);
        for (int64_t r = 0; r < rows; ++r) {
            alignas(cache_line) T numbers[size];
            Set::store(numbers, Set::load(space.sums[r]), false);
            std::memcpy(static_cast<void*>(static_cast<T*>(to) + r * stride + column), numbers,
                        static_cast<size_t>(columns) * sizeof(T));
        }
    }
}

template <class Set> consteval Gradients8Table make_plain_gradients8()
{
    return {[](int64_t /*rows*/) { return static_cast<int64_t>(sizeof(GradientWorkspace8<Set>)); },
            make_format_kernels<PackGradient8>([]<class T> { return pack_gradient8<Set, T>; }),
            make_format_kernels<MultiplyGradient8>([]<class T> { return multiply_gradient8<Set, T>; })};
}

} // namespace
} // namespace nbit
