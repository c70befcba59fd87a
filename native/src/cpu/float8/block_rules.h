// The rules of the block formats, for quantize_part.
#pragma once
#include "cpu/cast.h"
#include "cpu/elements.h"
#include "cpu/float8/quantize_blocks.h"
#include "cpu/float8/stochastic_rounding.h"

namespace nbit
{
namespace
{

class EncodesToNearest
{
public:
    void encode(const BlockQuantization& job, int64_t row, int64_t column, int64_t count, const float* factors,
                uint8_t* codes) const
    {
        job.encode(job.source_at(row, column), count, factors, codes);
    }
};

class Mxfp8Blocks : public EncodesToNearest
{
public:
    Mxfp8Blocks(const ScaledMatrix& layout, float largest, uint8_t* scales)
        : layout_(layout), largest_(largest), scales_(scales)
    {
    }
    float factor(float amax, int64_t row, int64_t column) const
    {
        const Float8E8M0 scale = mxfp8_scale(amax, largest_);
        scales_[layout_.scale_index(row, column)] = scale.bits;
        return mxfp8_factor(scale);
    }

private:
    ScaledMatrix layout_;
    float largest_;
    uint8_t* scales_;
};

class Float8Blocks : public EncodesToNearest
{
public:
    Float8Blocks(const ScaledMatrix& layout, const ScaleRule& rule, float* scale_inverses)
        : layout_(layout), rule_(rule), scale_inverses_(scale_inverses)
    {
    }
    float factor(float amax, int64_t row, int64_t column) const
    {
        const float scale = rule_.scale(amax);
        store_element(scale_inverses_, layout_.scale_index(row, column), 1 / scale);
        return scale;
    }

private:
    ScaledMatrix layout_;
    ScaleRule rule_;
    float* scale_inverses_;
};

class Nvfp4Blocks
{
public:
    // `layout` has blocks of one row; `block_rows` rows, which may be fewer at the end, get the same scale.
    Nvfp4Blocks(const ScaledMatrix& layout, float amax, int64_t block_rows, uint8_t* scales)
        : layout_(layout), rule_(amax), block_rows_(block_rows), scales_(scales)
    {
    }
    // `widen` casts the source to float32.
    void round_stochastically(CastKernel widen, uint64_t seed)
    {
        widen_ = widen;
        seed_ = seed;
    }
    float factor(float amax, int64_t row, int64_t column) const
    {
        const Float8E4M3 scale = rule_.scale(amax);
        for (int64_t r = row; r < std::min(row + block_rows_, layout_.rows); ++r)
            scales_[layout_.scale_index(r, column)] = scale.bits;
        return rule_.factor(scale);
    }
    void encode(const BlockQuantization& job, int64_t row, int64_t column, int64_t count, const float* factors,
                uint8_t* codes) const
    {
        if (!widen_) return job.encode(job.source_at(row, column), count, factors, codes);
        float numbers[quantized_columns];
        widen_(job.source_at(row, column), count, 1, numbers, false);
        const int64_t step = job.transpose ? job.rows : 1; // from one element's index to the next one's
        const int64_t first = job.transpose ? column * job.rows + row : row * job.columns + column;
        for (int64_t i = 0; i < count; ++i)
            codes[i] = rounded_stochastically_to_4_bits(numbers[i] * factors[i], seed_, first + i * step).bits;
    }

private:
    ScaledMatrix layout_;
    Nvfp4Rule rule_;
    int64_t block_rows_;
    uint8_t* scales_;
    CastKernel widen_ = nullptr; // null to round to nearest
    uint64_t seed_ = 0;
};

} // namespace
} // namespace nbit
