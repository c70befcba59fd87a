// What all block kernels need in portable C++.
#pragma once
#include "cpu/blocks_tiles.h"
#include "cpu/conversions_scalar.h"

namespace nbit::scalar
{
namespace
{

constexpr int64_t tile_size = 32;
struct Tile {
    float v[tile_size]; // consecutive elements
};

template <class T> inline Tile load_tile(const T* x)
{
    Tile tile;
    for (int64_t i = 0; i < tile_size; ++i)
        tile.v[i] = widen(load_element<T>(x, i));
    return tile;
}

// A tile is no longer than a block: its halves have the same factor.
inline Tile scaled(const Tile& x, float factor, float)
{
    Tile products;
    for (int64_t i = 0; i < tile_size; ++i)
        products.v[i] = x.v[i] * factor;
    return products;
}

template <class T> inline void store_tile(T* y, const Tile& tile, bool /*stream*/)
{
    for (int64_t i = 0; i < tile_size; ++i)
        store_element(y, i, narrow<T>(tile.v[i]));
}

struct BlocksSet {
    static constexpr int64_t vector_bytes = 1, tile_size = scalar::tile_size;
    using Tile = scalar::Tile;
    template <class T> static float absmax_of(const T* x, int64_t count)
    {
        // Signed comparisons: the baseline's vectors have no others
        using Bits = std::make_signed_t<decltype(magnitude_bits(T{}))>;
        Bits largest = 0;
        for (int64_t i = 0; i < count; ++i) {
            const auto bits = static_cast<Bits>(magnitude_bits(load_element<T>(x, i)));
            largest = bits > largest ? bits : largest;
        }
        return absmax_from_bits<T>(static_cast<uint32_t>(largest));
    }
    template <class T> static FourScales scales_of_four(const T* x, int64_t blocksize)
    {
        FourScales scales{{}, {}, false};
        for (int block = 0; block < 4; ++block) {
            scales.absmax[block] = absmax_of(x + block * blocksize, blocksize);
            scales.reciprocal[block] = block_reciprocal(scales.absmax[block]);
            scales.any_special = scales.any_special || is_special(scales.absmax[block]);
        }
        return scales;
    }
    static void prefetch(const void*) {}
    static void finish_stream() {}
};

} // namespace
} // namespace nbit::scalar
