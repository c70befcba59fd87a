// Rows of a product's operand and result: read into the format that a kernel multiplies, and written from its sums.
#pragma once
#include "cpu/number_formats.h"
#include "cpu/tiles.h"

#include <algorithm>

namespace nbit
{
namespace
{

// to[i] = elements[first + i], rounded to the compute type.
template <class Element> using LoadRow = void (*)(const void* elements, int64_t first, int64_t count, Element* to);

// elements[first + i] = sums[i] + bias[i] (or sums[i]), rounded to the compute type, then to the elements' type.
using StoreRow = void (*)(const float* sums, const float* bias, int64_t count, void* elements, int64_t first);

// By the type of the elements, for one compute type.
template <class Element> struct ProductRows {
    FormatKernels<LoadRow<Element>> load;
    FormatKernels<StoreRow> store;
};

// An instruction set brings tile_size, the elements of a Tile of float32, and
//   load(pointer), the tile there; store(pointer, tile), which rounds; add(tile, tile).

template <class Set, class Compute> inline typename Set::Tile round_tile(const typename Set::Tile& tile)
{
    if constexpr (std::same_as<Compute, float>) {
        return tile;
    } else {
        alignas(cache_line) Compute rounded[Set::tile_size];
        Set::store(rounded, tile);
        return Set::load(rounded);
    }
}

template <class Set, class Compute, class Source, class Element>
inline void load_tile_of_row(const Source* source, Element* to)
{
    if constexpr (std::same_as<Element, Compute> || std::same_as<Source, Compute>)
        Set::store(to, Set::load(source));
    else
        Set::store(to, round_tile<Set, Compute>(Set::load(source)));
}

template <class Set, class Compute, class Source, class Element>
void load_row(const void* elements, int64_t first, int64_t count, Element* to)
{
    constexpr int64_t size = Set::tile_size;
    const Source* source = static_cast<const Source*>(elements) + first;
    int64_t i = 0;
    for (; i + size <= count; i += size)
        load_tile_of_row<Set, Compute>(source + i, to + i);
    if (i == count) return;
    const PaddedTile<Source, size> padded(source + i, count - i);
    alignas(cache_line) Element loaded[size];
    load_tile_of_row<Set, Compute>(padded.data, loaded);
    std::memcpy(static_cast<void*>(to + i), loaded, static_cast<size_t>(count - i) * sizeof(Element));
}

template <class Set, class Compute, class Target>
inline void store_tile_of_row(const float* sums, const float* bias, Target* target)
{
    const typename Set::Tile tile = Set::load(sums);
    Set::store(target, round_tile<Set, Compute>(bias ? Set::add(tile, Set::load(bias)) : tile));
}

template <class Set, class Compute, class Target>
void store_row(const float* sums, const float* bias, int64_t count, void* elements, int64_t first)
{
    constexpr int64_t size = Set::tile_size;
    Target* target = static_cast<Target*>(elements) + first;
    int64_t i = 0;
    for (; i + size <= count; i += size)
        store_tile_of_row<Set, Compute>(sums + i, bias ? bias + i : nullptr, target + i);
    if (i == count) return;
    const PaddedTile<float, size> last_sums(sums + i, count - i);
    const PaddedTile<float, size> last_bias(bias ? bias + i : sums + i, count - i);
    alignas(cache_line) Target stored[size];
    store_tile_of_row<Set, Compute>(last_sums.data, bias ? last_bias.data : nullptr, stored);
    std::memcpy(static_cast<void*>(target + i), stored, static_cast<size_t>(count - i) * sizeof(Target));
}

template <class Set, class Compute, class Element> consteval ProductRows<Element> make_product_rows()
{
    return {make_format_kernels<LoadRow<Element>>([]<class Source> { return load_row<Set, Compute, Source, Element>; }),
            make_format_kernels<StoreRow>([]<class Target> { return store_row<Set, Compute, Target>; })};
}

} // namespace
} // namespace nbit
