// Arithmetic on tiles of numbers in portable C++.
#pragma once
#include "cpu/blocks_scalar.h"

namespace nbit::scalar
{
namespace
{

struct NumbersSet : BlocksSet {
    template <class T> static Tile load(const T* x) { return load_tile(x); }
    template <class T> static void store(T* y, const Tile& tile, bool stream) { store_tile(y, tile, stream); }
    static Tile spread(float number)
    {
        Tile tile;
        for (float& x : tile.v)
            x = number;
        return tile;
    }
    static Tile product(const Tile& x, const Tile& y)
    {
        Tile products;
        for (int64_t i = 0; i < tile_size; ++i)
            products.v[i] = x.v[i] * y.v[i];
        return products;
    }
    static Tile sum(const Tile& x, const Tile& y)
    {
        Tile sums;
        for (int64_t i = 0; i < tile_size; ++i)
            sums.v[i] = x.v[i] + y.v[i];
        return sums;
    }
    static Tile fused(const Tile& x, const Tile& y, const Tile& z)
    {
        Tile sums;
        for (int64_t i = 0; i < tile_size; ++i)
            sums.v[i] = std::fma(x.v[i], y.v[i], z.v[i]);
        return sums;
    }
    // Rounded twice: baseline processors have no instruction that rounds once.
    static Tile multiply_add(const Tile& x, const Tile& y, const Tile& z) { return sum(product(x, y), z); }
    static Tile from_int32(const int32_t* x)
    {
        Tile tile;
        for (int64_t i = 0; i < tile_size; ++i)
            tile.v[i] = static_cast<float>(x[i]);
        return tile;
    }
    static Tile decode(const int8_t* codes)
    {
        Tile tile;
        for (int64_t i = 0; i < tile_size; ++i)
            tile.v[i] = codes[i];
        return tile;
    }
};

} // namespace
} // namespace nbit::scalar
