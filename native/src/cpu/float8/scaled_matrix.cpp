#include "cpu/float8/scaled_matrix.h"
#include "cpu/elements.h"

namespace nbit
{

int64_t ScaledMatrix::row_bytes() const noexcept { return holds_pairs() ? blocks_in(columns, 2) : columns; }

const uint8_t* ScaledMatrix::row(int64_t index) const noexcept { return codes + index * row_bytes(); }

int64_t ScaledMatrix::scale_columns() const noexcept { return blocks_in(columns, block_of(scaling).columns); }

int64_t ScaledMatrix::scale_count() const noexcept
{
    return scaling == NBIT_SCALING_TENSOR ? 1 : blocks_in(rows, block_of(scaling).rows) * scale_columns();
}

int64_t ScaledMatrix::scale_index(int64_t row, int64_t column) const noexcept
{
    const BlockShape block = block_of(scaling);
    return row / block.rows * scale_columns() + column / block.columns;
}

float ScaledMatrix::block_scale(int64_t index) const noexcept
{
    switch (scale_type_of(scaling)) {
    case NBIT_DATA_TYPE_FLOAT8_E8M0FNU:
        return to_float(load_element<Float8E8M0>(scales, index));
    case NBIT_DATA_TYPE_FLOAT8_E4M3FN:
        return to_float(load_element<Float8E4M3>(scales, index));
    default:
        return scaling == NBIT_SCALING_TENSOR ? 1 : load_element<float>(scales, index);
    }
}

float ScaledMatrix::common_scale() const noexcept
{
    switch (scaling) {
    case NBIT_SCALING_TENSOR:
        return load_element<float>(scales, 0);
    case NBIT_SCALING_NVFP4_1X16:
        return *amax * (1 / Nvfp4Rule::most_product);
    default:
        return 1;
    }
}

float ScaledMatrix::element_scale(int64_t index) const noexcept
{
    switch (scaling) {
    case NBIT_SCALING_TENSOR:
        return common_scale();
    case NBIT_SCALING_NVFP4_1X16:
        return Nvfp4Rule::decoded(load_element<Float8E4M3>(scales, index), *amax);
    default:
        return block_scale(index);
    }
}

} // namespace nbit
