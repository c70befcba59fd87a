// Products with a 4-bit weight with AVX2.
#include "cpu/elements.h"
#include "cpu/gemv4_avx2.h"
#include "cpu/linear4_tiles.h"

namespace nbit::avx2
{
namespace
{

struct LinearSet {
    static constexpr int64_t tile_size = avx2::tile_size;
    static constexpr int tile_rows = 6; // 12 sums, two vectors of the tile and one of x in 16 registers
    using Tile = avx2::Tile;
    template <class T> static Tile load(const T* from) { return load_tile(from); }
    template <class T> static void store(T* to, const Tile& tile) { store_tile(to, tile, false); }
    static Tile add(const Tile& a, const Tile& b)
    {
        return {_mm256_add_ps(a.v[0], b.v[0]), _mm256_add_ps(a.v[1], b.v[1]), _mm256_add_ps(a.v[2], b.v[2]),
                _mm256_add_ps(a.v[3], b.v[3])};
    }

    // A dword of 8 codes in every lane, shifted by each lane's own amount. Permutes read the low 3 bits; the fourth
    // goes to the sign bit and chooses between the halves of the table.
    static void decode(const uint8_t* codes, const float* table, float* to)
    {
        const __m256i shift = _mm256_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24);
        const __m256 low = _mm256_load_ps(table), high = _mm256_load_ps(table + 8);
        for (int i = 0; i < 4; ++i) {
            const __m256i index = _mm256_srlv_epi32(_mm256_set1_epi32(load_element<int32_t>(codes, i)), shift);
            const __m256 upper = _mm256_castsi256_ps(_mm256_slli_epi32(index, 28));
            _mm256_storeu_ps(to + 8 * i, _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, index),
                                                          _mm256_permutevar8x32_ps(high, index), upper));
        }
    }

    static void transpose(const float* from, int64_t stride, float* to)
    {
        for (int64_t c = 0; c < tile4_columns; c += 8)
            for (int64_t k = 0; k < tile4_columns; k += 8)
                transpose_8x8(from + c * stride + k, stride, to + k * tile4_columns + c);
    }

    template <int rows>
    static void multiply_tile(int64_t depth, const float* x, int64_t x_stride, const float* tile, float* sums,
                              int64_t sums_stride)
    {
        __m256 left[rows], right[rows];
#pragma GCC unroll 6
        for (int r = 0; r < rows; ++r)
            left[r] = right[r] = _mm256_setzero_ps();
        for (int64_t k = 0; k < depth; ++k, tile += tile4_columns) {
            const __m256 b0 = _mm256_load_ps(tile), b1 = _mm256_load_ps(tile + 8);
#pragma GCC unroll 6
            for (int r = 0; r < rows; ++r) {
                const __m256 v = _mm256_broadcast_ss(x + r * x_stride + k);
                left[r] = _mm256_fmadd_ps(v, b0, left[r]);
                right[r] = _mm256_fmadd_ps(v, b1, right[r]);
            }
        }
#pragma GCC unroll 6
        for (int r = 0; r < rows; ++r) {
            float* to = sums + r * sums_stride;
            _mm256_store_ps(to, _mm256_add_ps(left[r], _mm256_load_ps(to)));
            _mm256_store_ps(to + 8, _mm256_add_ps(right[r], _mm256_load_ps(to + 8)));
        }
    }

private:
    static void transpose_8x8(const float* from, int64_t stride, float* to)
    {
        __m256 a[8], b[8];
        for (int i = 0; i < 8; i += 2) {
            const __m256 p = _mm256_loadu_ps(from + i * stride), q = _mm256_loadu_ps(from + (i + 1) * stride);
            a[i] = _mm256_unpacklo_ps(p, q);
            a[i + 1] = _mm256_unpackhi_ps(p, q);
        }
        for (int i = 0; i < 8; i += 4)
            for (int j = 0; j < 2; ++j) {
                b[i + 2 * j] = _mm256_shuffle_ps(a[i + j], a[i + j + 2], 0x44);
                b[i + 2 * j + 1] = _mm256_shuffle_ps(a[i + j], a[i + j + 2], 0xee);
            }
        for (int j = 0; j < 4; ++j) {
            _mm256_store_ps(to + j * tile4_columns, _mm256_permute2f128_ps(b[j], b[j + 4], 0x20));
            _mm256_store_ps(to + (j + 4) * tile4_columns, _mm256_permute2f128_ps(b[j], b[j + 4], 0x31));
        }
    }
};

template <class Compute> struct GemvKernel {
    static constexpr int64_t most_rows = 12;

    static int64_t packed_bytes(const Product4& p)
    {
        return Phases(p.weight.columns).total_size(p.rows) * static_cast<int64_t>(sizeof(float));
    }
    static int64_t pack_parts(const Product4& p) { return GemvGroups(p.rows).count; }
    static int64_t workspace_bytes(const Product4& p) { return gemv_workspace_bytes(p.weight); }
    static void pack(const Product4& p, int64_t begin, int64_t end, void* packed)
    {
        const LoadRow<float> load = product_rows.load.find(p.type);
        const Phases phases(p.weight.columns);
        const GemvGroups groups(p.rows);
        for (int64_t group = begin; group < end; ++group)
            phases.shuffle_x<GemvFloat32>(groups.first(group), groups.rows(group),
                                          static_cast<float*>(packed) + phases.total_size(groups.first(group)),
                                          [&](int64_t row, int64_t first, int64_t count, float* to) {
                                              load(p.x, row * p.weight.columns + first, count, to);
                                          });
    }
    static void multiply(const Product4& p, const void* packed, int64_t begin, int64_t end, void* workspace)
    {
        const StoreRow store = product_rows.store.find(p.type);
        gemv4(
            p.weight, static_cast<const float*>(packed), p.rows, begin, end,
            [&](int64_t row, int64_t n, int64_t count, const float* sums) {
                store(sums, p.bias ? p.bias + n : nullptr, count, p.y, row * p.weight.rows + n);
            },
            static_cast<float*>(workspace));
    }
    static constexpr ProductRows<float> product_rows = make_product_rows<LinearSet, Compute, float>();
    static constexpr Linear4Kernel kernel{packed_bytes, pack_parts, pack, workspace_bytes, gemv_batch, multiply};
};

const Linear4Kernel& forward(const Product4& product)
{
    return by_compute_type(product, [&]<class Compute>() -> const Linear4Kernel& {
        return product.rows <= GemvKernel<Compute>::most_rows ? GemvKernel<Compute>::kernel
                                                              : TileKernel4<LinearSet, Compute, true>::kernel;
    });
}
const Linear4Kernel& backward(const Product4& product)
{
    return by_compute_type(product, []<class Compute>() -> const Linear4Kernel& {
        return TileKernel4<LinearSet, Compute, false>::kernel;
    });
}

} // namespace

constinit const Linear4Table linear4 = {forward, backward};

} // namespace nbit::avx2
