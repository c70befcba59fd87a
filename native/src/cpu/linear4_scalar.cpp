// Products with a 4-bit weight in portable C++.
#include "cpu/blocks_scalar.h"
#include "cpu/linear4_tiles.h"

namespace nbit::scalar
{
namespace
{

struct LinearSet {
    static constexpr int64_t tile_size = scalar::tile_size;
    static constexpr int tile_rows = 2; // whose sums fit the baseline's registers
    using Tile = scalar::Tile;
    template <class T> static Tile load(const T* from) { return load_tile(from); }
    template <class T> static void store(T* to, const Tile& tile) { store_tile(to, tile, false); }
    static Tile add(const Tile& a, const Tile& b)
    {
        Tile sum;
        for (int64_t i = 0; i < tile_size; ++i)
            sum.v[i] = a.v[i] + b.v[i];
        return sum;
    }

    static void decode(const uint8_t* codes, const float* table, float* to)
    {
        for (int i = 0; i < 16; ++i) {
            to[2 * i] = table[codes[i] >> 4];
            to[2 * i + 1] = table[codes[i] & 15];
        }
    }

    static void transpose(const float* from, int64_t stride, float* to)
    {
        for (int64_t k = 0; k < tile4_columns; ++k)
            for (int64_t c = 0; c < tile4_columns; ++c)
                to[k * tile4_columns + c] = from[c * stride + k];
    }

    template <int rows>
    static void multiply_tile(int64_t depth, const float* x, int64_t x_stride, const float* tile, float* sums,
                              int64_t sums_stride)
    {
        float sum[rows][tile4_columns] = {};
        for (int64_t k = 0; k < depth; ++k, tile += tile4_columns)
            for (int r = 0; r < rows; ++r)
                for (int c = 0; c < tile4_columns; ++c)
                    sum[r][c] += x[r * x_stride + k] * tile[c];
        for (int r = 0; r < rows; ++r)
            for (int c = 0; c < tile4_columns; ++c)
                sums[r * sums_stride + c] += sum[r][c];
    }
};

const Linear4Kernel& forward(const Product4& product)
{
    return by_compute_type(
        product, []<class Compute>() -> const Linear4Kernel& { return TileKernel4<LinearSet, Compute, true>::kernel; });
}
const Linear4Kernel& backward(const Product4& product)
{
    return by_compute_type(product, []<class Compute>() -> const Linear4Kernel& {
        return TileKernel4<LinearSet, Compute, false>::kernel;
    });
}

} // namespace

constinit const Linear4Table linear4 = {forward, backward};

} // namespace nbit::scalar
