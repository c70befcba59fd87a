// The loop of transposes of bytes, in tiles of 64 x 64 that are gathered in the first-level cache, so that the target
// is written by whole cache lines.
#pragma once
#include "cpu/matrix_part.h"
#include "cpu/tiles.h"

#include <algorithm>

namespace nbit
{
namespace
{

constexpr int64_t transposed_size = 64;
using TransposedTile = uint8_t[transposed_size][transposed_size];

// An instruction set brings transpose_band(source, stride, tile, band): tile[c][band + r] = source[r * stride + c] for
// 16 rows of 64 columns, band a multiple of 16.
template <class Set>
void transpose_bytes_in_tiles(const uint8_t* source, const MatrixPart& part, uint8_t* target, int64_t target_stride)
{
    constexpr int64_t size = transposed_size, band_rows = 16;
    alignas(cache_line) TransposedTile tile;
    for (int64_t r0 = 0; r0 < part.rows; r0 += size)
        for (int64_t c0 = 0; c0 < part.columns; c0 += size) {
            const int64_t height = std::min(size, part.rows - r0), width = std::min(size, part.columns - c0);
            for (int64_t band = 0; band < height; band += band_rows) {
                const uint8_t* from = source + (r0 + band) * part.stride + c0;
                if (width == size && band + band_rows <= height) {
                    Set::transpose_band(from, part.stride, tile, band);
                    continue;
                }
                alignas(cache_line) uint8_t padded[band_rows][size] = {};
                for (int64_t r = 0; r < std::min(band_rows, height - band); ++r)
                    std::memcpy(padded[r], from + r * part.stride, static_cast<size_t>(width));
                Set::transpose_band(padded[0], size, tile, band);
            }
            for (int64_t c = 0; c < width; ++c)
                std::memcpy(target + (c0 + c) * target_stride + r0, tile[c], static_cast<size_t>(height));
        }
}

} // namespace
} // namespace nbit
