// Optimizers in portable C++.
#include "cpu/codes8_scalar.h"
#include "cpu/optimizers_tiles.h"
#include "cpu/vector_scalar.h"

namespace nbit::scalar
{
namespace
{

struct OptimizersSet : BlocksSet {
    using Vector = scalar::Vector;
    using Decoder8 = TileDecoder8;
    template <bool is_signed> struct Encoder8 : TileEncoder8<CellFinder> {
        explicit Encoder8(const Codebook8& book) : TileEncoder8<CellFinder>{{book}} {}
    };

    template <class T> static Tile load(const T* x) { return load_tile(x); }
    template <class T> static void store(T* y, const Tile& tile) { store_tile(y, tile, false); }
    static Tile scaled(const Tile& x, float factor) { return scalar::scaled(x, factor, factor); }
};

} // namespace

constinit const OptimizersTable optimizers = make_optimizers_tiles<OptimizersSet>();

} // namespace nbit::scalar
