// Codes of 256 numbers in portable C++: 32 of them to and from a tile.
#pragma once
#include "cpu/blocks_scalar.h"
#include "cpu/codebook8.h"

namespace nbit::scalar
{
namespace
{

struct Codes {
    uint8_t code[tile_size];
};

// See CodeCells.
struct CellFinder {
    const Codebook8& book;
    uint8_t find(float x) const
    {
        const uint8_t lowest = book.cells.lowest_code[code_cell(x)];
        return static_cast<uint8_t>(lowest + (book.thresholds.at[lowest] < x));
    }
};

// For any code.
struct SearchFinder {
    const Codebook8& book;
    uint8_t find(float x) const { return count_below(book.thresholds.at, x); }
};

template <class Finder> struct TileEncoder8 {
    Finder finder;
    Codes start(const Tile& x) const
    {
        Codes codes;
        for (int64_t i = 0; i < tile_size; ++i)
            codes.code[i] = finder.find(x.v[i]);
        return codes;
    }
    void finish(const Tile&, const Codes& found, uint8_t* codes, bool /*stream*/) const
    {
        std::memcpy(codes, found.code, sizeof(found.code));
    }
};

struct TileDecoder8 {
    const Codebook8& book;
    explicit TileDecoder8(const Codebook8& all) : book(all) {}
    Tile decode(const uint8_t* codes) const
    {
        Tile tile;
        for (int64_t i = 0; i < tile_size; ++i)
            tile.v[i] = book.value[codes[i]];
        return tile;
    }
};

} // namespace
} // namespace nbit::scalar
