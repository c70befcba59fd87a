// 4-bit block quantization in portable C++: comparisons without branches, which compilers turn into vectors.
#include "cpu/blocks4_tiles.h"
#include "cpu/blocks_scalar.h"

namespace nbit::scalar
{
namespace
{

inline void encode(Nf4, const Tile& scaled, uint32_t (&codes)[tile_size])
{
    for (int64_t i = 0; i < tile_size; ++i) {
        uint32_t below = 0;
        for (const float threshold : Nf4::thresholds)
            below += threshold < scaled.v[i];
        codes[i] = below;
    }
}

inline void encode(Fp4, const Tile& scaled, uint32_t (&codes)[tile_size])
{
    for (int64_t i = 0; i < tile_size; ++i) {
        uint32_t rank = 0;
        for (const float threshold : Fp4::thresholds)
            rank += threshold < std::fabs(scaled.v[i]);
        codes[i] = scaled.v[i] < 0 ? rank + Fp4::sign : rank;
    }
    for (int64_t i = 0; i < tile_size; ++i)
        codes[i] = (codes[i] & Fp4::sign) | Fp4::code_of_rank[codes[i] % Fp4::sign];
}

template <class Code> struct TileEncoder4 {
    template <class Source>
    void encode(const Source* x, float first, float second, uint8_t* packed, bool /*stream*/) const
    {
        uint32_t codes[tile_size];
        scalar::encode(Code{}, scaled(load_tile(x), first, second), codes);
        for (int64_t i = 0; i < tile_size; i += 2)
            packed[i / 2] = static_cast<uint8_t>(codes[i] << 4 | codes[i + 1]);
    }
};

template <class Target> struct TileDecoder4 {
    struct Table {
        Target number[16];
    };
    static Table table(const float* numbers, float scale)
    {
        Table table;
        for (int code = 0; code < 16; ++code)
            table.number[code] = narrow<Target>(numbers[code] * scale);
        return table;
    }
    void decode(const uint8_t* packed, const Table& table, const Table&, Target* y, bool /*stream*/) const
    {
        for (int64_t i = 0; i < tile_size; i += 2) {
            store_element(y, i, table.number[packed[i / 2] >> 4]);
            store_element(y, i + 1, table.number[packed[i / 2] & 15]);
        }
    }
};

struct Blocks4Set : BlocksSet {
    template <class Code> using Encoder4 = TileEncoder4<Code>;
    template <class Target> using Decoder4 = TileDecoder4<Target>;
};

} // namespace

constinit const Blocks4Table blocks4 = make_blocks4_tiles<Blocks4Set>();

} // namespace nbit::scalar
