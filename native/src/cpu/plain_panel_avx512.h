// Tiles of packed products from rows whose bytes are already what the product takes.
#pragma once
#include "cpu/packed_product_avx512.h"

namespace nbit::NBIT_AVX512
{
namespace
{

// Up to 32 rows of a weight, as the columns of a tile; `bytes` of each are the tile's depth.
inline void interleave_tile(const void* rows, int64_t stride, int columns, int64_t bytes, int32_t* tile,
                            int32_t toggle = 0)
{
    for (int c = 0; c < columns; c += 16)
        interleave_dwords({static_cast<const char*>(rows) + c * stride, stride, std::min(16, columns - c)}, bytes,
                          tile + c, tile_columns, toggle);
}

// float32, bfloat16, or int8 with a toggle.
struct PlainPanel {
    const void* weights; // row-major
    int64_t row_bytes;
    int32_t toggle = 0;

    void operator()(int64_t n, int columns, int64_t first, int64_t count, int32_t* tile) const
    {
        const auto* from = static_cast<const char*>(weights) + n * row_bytes + first * 4;
        const int64_t bytes = std::min(count * 4, row_bytes - first * 4);
        interleave_tile(from, row_bytes, columns, bytes, tile, toggle);
        // The next depth of these rows: strips are too short for the hardware prefetcher. Into the second-level cache,
        // since tile and rows of x fill the first.
        const auto ahead = reinterpret_cast<uintptr_t>(from) + static_cast<uintptr_t>(bytes);
        for (int c = 0; c < columns; ++c)
            for (int64_t i = 0; i < bytes; i += cache_line)
                _mm_prefetch(reinterpret_cast<const char*>(ahead + static_cast<uintptr_t>(c * row_bytes + i)),
                             _MM_HINT_T1);
    }
};

} // namespace
} // namespace nbit::NBIT_AVX512
