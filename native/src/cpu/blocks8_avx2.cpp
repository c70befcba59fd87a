// 8-bit block quantization with AVX2.
#include "cpu/blocks8_tiles.h"
#include "cpu/codes8_avx2.h"

namespace nbit::avx2
{
namespace
{

struct Blocks8Set : BlocksSet {
    using Decoder8 = TileDecoder8;

    template <class T> static Tile load(const T* x) { return load_tile(x); }
    template <class T> static void store(T* y, const Tile& tile, bool stream) { store_tile(y, tile, stream); }
    static Tile scaled(const Tile& x, float first, float second) { return avx2::scaled(x, first, second); }
    template <class Body> static void visit_encoder8(const Codebook8& book, const Body& body)
    {
        if (book.cells.hold_one_threshold)
            body(GatheringEncoder8<CellFinder>(book));
        else
            body(GatheringEncoder8<SearchFinder>(book));
    }
};

} // namespace

constinit const Blocks8Table blocks8 = make_blocks8_tiles<Blocks8Set>();

} // namespace nbit::avx2
