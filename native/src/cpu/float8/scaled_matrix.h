// A matrix of codes with scales, in the layouts of nbit_scaling.
#pragma once
#include "cpu/float8/scaling_rules.h"

namespace nbit
{
namespace
{

constexpr int64_t whole_matrix = INT64_MAX;

// The elements that share a scale.
struct BlockShape {
    int64_t rows, columns;
};
constexpr BlockShape block_of(int32_t scaling)
{
    switch (scaling) {
    case NBIT_SCALING_MXFP8_1X32:
        return {1, 32};
    case NBIT_SCALING_MXFP8_32X1:
        return {32, 1};
    case NBIT_SCALING_MXFP8_32X32:
        return {32, 32};
    case NBIT_SCALING_FLOAT8_1X128:
        return {1, 128};
    case NBIT_SCALING_FLOAT8_128X128:
        return {128, 128};
    case NBIT_SCALING_NVFP4_1X16:
        return {1, 16};
    default:
        return {whole_matrix, whole_matrix};
    }
}

constexpr int64_t blocks_in(int64_t count, int64_t size) { return count / size + (count % size != 0); }

// The type of the scales.
constexpr nbit_data_type scale_type_of(int32_t scaling)
{
    switch (scaling) {
    case NBIT_SCALING_MXFP8_1X32:
    case NBIT_SCALING_MXFP8_32X1:
    case NBIT_SCALING_MXFP8_32X32:
        return NBIT_DATA_TYPE_FLOAT8_E8M0FNU;
    case NBIT_SCALING_NVFP4_1X16:
        return NBIT_DATA_TYPE_FLOAT8_E4M3FN;
    default:
        return NBIT_DATA_TYPE_FLOAT32;
    }
}

} // namespace

struct ScaledMatrix {
    int32_t format, scaling;
    const uint8_t* codes;
    int64_t rows, columns;
    const void* scales;
    const float* amax; // NVFP4's

    bool holds_pairs() const { return format == NBIT_DATA_TYPE_FLOAT4_E2M1FN_X2; }
    int64_t row_bytes() const noexcept;
    const uint8_t* row(int64_t index) const noexcept;

    int64_t scale_columns() const noexcept;
    int64_t scale_count() const noexcept;
    // Of the block of an element.
    int64_t scale_index(int64_t row, int64_t column) const noexcept;

    // The scale of a block, without what the whole matrix shares.
    float block_scale(int64_t index) const noexcept;
    // That of the whole matrix.
    float common_scale() const noexcept;
    // Both, as elements are dequantized by.
    float element_scale(int64_t index) const noexcept;
};

} // namespace nbit
