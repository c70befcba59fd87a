// Optimizers with AVX-512, compiled with and without the bfloat16 instructions.
#pragma once
#include "cpu/codes8_avx512.h"
#include "cpu/optimizers_tiles.h"
#include "cpu/vector_avx512.h"

namespace nbit::NBIT_AVX512
{
namespace
{

struct OptimizersSet : BlocksSet {
    using Vector = NBIT_AVX512::Vector;
    using Decoder8 = TileDecoder8;
    template <bool is_signed> using Encoder8 = LinesEncoder8<is_signed>;

    template <class T> static Tile load(const T* x) { return load_tile(x); }
    template <class T> static void store(T* y, const Tile& tile) { store_tile(y, tile, false); }
    static Tile scaled(const Tile& x, float factor) { return NBIT_AVX512::scaled(x, factor, factor); }
};

} // namespace

constinit const OptimizersTable optimizers = make_optimizers_tiles<OptimizersSet>();

} // namespace nbit::NBIT_AVX512
