// The rules of the block formats, for quantize_part.
#pragma once
#include "cpu/elements.h"
#include "cpu/float8/quantize_blocks.h"

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
    Mxfp8Blocks(float largest, uint8_t* scales) : largest_(largest), scales_(scales) {}
    float factor(float amax, int64_t index) const
    {
        const Float8E8M0 scale = mxfp8_scale(amax, largest_);
        scales_[index] = scale.bits;
        return mxfp8_factor(scale);
    }

private:
    float largest_;
    uint8_t* scales_;
};

class Float8Blocks : public EncodesToNearest
{
public:
    Float8Blocks(const ScaleRule& rule, float* scale_inverses) : rule_(rule), scale_inverses_(scale_inverses) {}
    float factor(float amax, int64_t index) const
    {
        const float scale = rule_.scale(amax);
        store_element(scale_inverses_, index, 1 / scale);
        return scale;
    }

private:
    ScaleRule rule_;
    float* scale_inverses_;
};

class Nvfp4Blocks
{
public:
    // The layout of the scales has blocks of one row; `block_rows` rows get the same one.
    Nvfp4Blocks(const ScaledMatrix& layout, float amax, int64_t block_rows, uint8_t* scales)
        : rule_(amax), block_rows_(block_rows), scale_columns_(layout.scale_columns()),
          scale_count_(layout.scale_count()), scales_(scales)
    {
    }
    void round_stochastically(EncodeStochastically kernel, uint64_t seed)
    {
        encode_ = kernel;
        seed_ = seed;
    }
    float factor(float amax, int64_t index) const
    {
        const Float8E4M3 scale = rule_.scale(amax);
        const int64_t end = std::min(index + block_rows_ * scale_columns_, scale_count_);
        for (int64_t i = index; i < end; i += scale_columns_)
            scales_[i] = scale.bits;
        return rule_.factor(scale);
    }
    void encode(const BlockQuantization& job, int64_t row, int64_t column, int64_t count, const float* factors,
                uint8_t* codes) const
    {
        if (!encode_) return job.encode(job.source_at(row, column), count, factors, codes);
        const RandomSequence random = job.transpose ? RandomSequence{seed_, column * job.rows + row, job.rows}
                                                    : RandomSequence{seed_, row * job.columns + column, 1};
        encode_(job.source_at(row, column), count, factors, random, codes);
    }

private:
    Nvfp4Rule rule_;
    int64_t block_rows_, scale_columns_, scale_count_;
    uint8_t* scales_;
    EncodeStochastically encode_ = nullptr; // null to round to nearest
    uint64_t seed_ = 0;
};

} // namespace
} // namespace nbit
