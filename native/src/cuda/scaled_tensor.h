// Scaled matrices of the ABI as tensors of Transformer Engine.
#pragma once
#include "cpu/float8/scaled_matrix.h"
#include "cuda/transformer_engine.h"

#include <optional>

namespace nbit::cuda::te
{

// Where Transformer Engine's scales are otherwise than those of the ABI, which are row-major and without padding.
struct ScaleLayout {
    ScalingMode mode;
    bool by_columns; // the tensor's columns are scaled in blocks, and not its rows
    Type type;
    int64_t rows, columns;
    int64_t row_padding, column_padding; // what rows and columns are rounded up to multiples of
    int64_t repetitions = 1;             // rows that are one row of the ABI's
    bool is_transposed = false;

    int64_t padded_rows() const noexcept { return blocks_in(rows, row_padding) * row_padding; }
    int64_t padded_columns() const noexcept { return blocks_in(columns, column_padding) * column_padding; }
    int64_t pitch() const noexcept { return padded_columns() * type_size(type); }
    int64_t bytes() const noexcept { return padded_rows() * pitch(); }
};
ScaleLayout scale_layout(const ScaledMatrix& matrix);

// A tensor with the matrix's codes, and with scales of its own where those are in blocks.
class ScaledTensor
{
public:
    // Float8 in blocks of 1 x 128 must have a multiple of 4 rows.
    ScaledTensor(const TransformerEngine& engine, const Launch& launch, const ScaledMatrix& matrix);

    Handle handle() const noexcept { return swizzled_tensor_ ? swizzled_tensor_->handle() : tensor_.handle(); }

    // Copies the matrix's scales into the tensor, or those of the tensor into the matrix.
    void take_scales();
    void give_scales() const;
    // Brings scales of MXFP8 and NVFP4 into the order that products read them in.
    void swizzle_scales();

private:
    void describe(Tensor& tensor, const void* scales) const;

    const TransformerEngine& engine_;
    const Launch& launch_;
    ScaledMatrix matrix_;
    ScaleLayout layout_;
    std::optional<DeviceScratch<uint8_t>> scales_, swizzled_scales_;
    Tensor tensor_;
    std::optional<Tensor> swizzled_tensor_;
};

} // namespace nbit::cuda::te
