// 8-bit block quantization in portable C++.
#include "cpu/blocks8_tiles.h"
#include "cpu/blocks_scalar.h"

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

struct Blocks8Set : BlocksSet {
    using Decoder8 = TileDecoder8;

    template <class T> static Tile load(const T* x) { return load_tile(x); }
    template <class T> static void store(T* y, const Tile& tile, bool stream) { store_tile(y, tile, stream); }
    static Tile scaled(const Tile& x, float first, float second) { return scalar::scaled(x, first, second); }
    template <class Body> static void visit_encoder8(const Codebook8& book, const Body& body)
    {
        if (book.cells.hold_one_threshold)
            body(TileEncoder8<CellFinder>{{book}});
        else
            body(TileEncoder8<SearchFinder>{{book}});
    }
};

} // namespace

constinit const Blocks8Table blocks8 = make_blocks8_tiles<Blocks8Set>();

} // namespace nbit::scalar
