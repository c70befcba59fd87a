// Optimizers with AVX2.
#include "cpu/codes8_avx2.h"
#include "cpu/optimizers_tiles.h"
#include "cpu/vector_avx2.h"

namespace nbit::avx2
{
namespace
{

struct OptimizersSet : BlocksSet {
    using Vector = avx2::Vector;
    using Decoder8 = TileDecoder8;
    template <bool is_signed> using Encoder8 = GatheringEncoder8<CellFinder>;

    template <class T> static Tile load(const T* x) { return load_tile(x); }
    template <class T> static void store(T* y, const Tile& tile) { store_tile(y, tile, false); }
    static Tile scaled(const Tile& x, float factor) { return avx2::scaled(x, factor, factor); }
};

} // namespace

constinit const OptimizersTable optimizers = make_optimizers_tiles<OptimizersSet>();

} // namespace nbit::avx2
