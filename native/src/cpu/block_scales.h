// The scale of each block that is dequantized: its absmax as it is, or from 8 bits.
#pragma once
#include <cstdint>

namespace nbit
{

// Entries that share one absmax of their own where absmax is kept in 8 bits (bitsandbytes' double quantization).
inline constexpr int64_t nested_blocksize = 256;

// value[code] * absmax + offset, the product and the sum rounded separately.
struct NestedBook {
    const float* value; // 256
    float offset;
};

struct BlockScales {
    const float* absmax;            // one a block, or one a nested block
    const uint8_t* codes = nullptr; // one a block; null: absmax is not quantized
    NestedBook book = {};
    int64_t first = 0; // the block that index 0 stands for

    BlockScales starting_at(int64_t block) const
    {
        BlockScales scales = *this;
        scales.first += block;
        return scales;
    }
};

namespace
{

inline float restored(const NestedBook& book, uint8_t code, float absmax)
{
    const float product = book.value[code] * absmax;
    return product + book.offset;
}

inline float scale_of_block(const BlockScales& scales, int64_t block)
{
    block += scales.first;
    if (!scales.codes) return scales.absmax[block];
    return restored(scales.book, scales.codes[block], scales.absmax[block / nested_blocksize]);
}

} // namespace

} // namespace nbit
