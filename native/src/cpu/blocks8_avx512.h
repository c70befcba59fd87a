// 8-bit block quantization with AVX-512, compiled with and without the bfloat16 instructions.
#pragma once
#include "cpu/blocks8_tiles.h"
#include "cpu/codes8_avx512.h"

namespace nbit::NBIT_AVX512
{
namespace
{

struct Blocks8Set : BlocksSet {
    using Decoder8 = TileDecoder8;

    template <class T> static Tile load(const T* x) { return load_tile(x); }
    template <class T> static void store(T* y, const Tile& tile, bool stream) { store_tile(y, tile, stream); }
    static Tile scaled(const Tile& x, float first, float second) { return NBIT_AVX512::scaled(x, first, second); }
    template <class Body> static void visit_encoder8(const Codebook8& book, const Body& body)
    {
        if (!book.lines.fit)
            body(SearchEncoder8(book));
        else if (book.lines.is_signed)
            body(LinesEncoder8<true>(book));
        else
            body(LinesEncoder8<false>(book));
    }
};

} // namespace

constinit const Blocks8Table blocks8 = make_blocks8_tiles<Blocks8Set>();

} // namespace nbit::NBIT_AVX512
