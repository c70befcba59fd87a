#include "cuda/scaled_tensor.h"

namespace nbit::cuda::te
{

// As Transformer Engine checks it (CheckScaleTensorShape); scales of 1 x 128 are those that its products read.
ScaleLayout scale_layout(const ScaledMatrix& matrix)
{
    const BlockShape block = block_of(matrix.scaling);
    const int64_t down = blocks_in(matrix.rows, block.rows), across = matrix.scale_columns();
    switch (matrix.scaling) {
    case NBIT_SCALING_MXFP8_1X32:
        return {ScalingMode::mxfp8_1d, false, Type::float8_e8m0, down, across, 128, 4};
    case NBIT_SCALING_MXFP8_32X1:
        return {ScalingMode::mxfp8_1d, true, Type::float8_e8m0, down, across, 4, 128};
    case NBIT_SCALING_MXFP8_32X32:
        return {ScalingMode::mxfp8_1d, false, Type::float8_e8m0, matrix.rows, across, 128, 4, block.rows};
    case NBIT_SCALING_FLOAT8_1X128:
        return {ScalingMode::block_1d, false, Type::float32, across, down, 1, 4, 1, true};
    case NBIT_SCALING_FLOAT8_128X128:
        return {ScalingMode::block_2d, false, Type::float32, down, across, 1, 4};
    case NBIT_SCALING_NVFP4_1X16:
        return {ScalingMode::nvfp4_1d, false, Type::float8_e4m3, down, across, 128, 4};
    default:
        return {ScalingMode::per_tensor, false, Type::float32, 1, 1, 1, 1};
    }
}

ScaledTensor::ScaledTensor(const TransformerEngine& engine, const Launch& launch, const ScaledMatrix& matrix)
    : engine_(engine), launch_(launch), matrix_(matrix), layout_(scale_layout(matrix)), tensor_(engine, layout_.mode)
{
    if (matrix.scaling == NBIT_SCALING_NVFP4_1X16 && !engine.multiply.is_there()) // which came with it
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "this Transformer Engine has no NVFP4, which is there since version 2.8; install a newer version");
    if (matrix.scaling != NBIT_SCALING_TENSOR) scales_.emplace(launch, layout_.bytes());
    describe(tensor_, scales_ ? scales_->data() : matrix.scales);
}

void ScaledTensor::describe(Tensor& tensor, const void* scales) const
{
    const bool by_columns = layout_.by_columns;
    tensor.set(by_columns ? TensorParameter::columnwise_data : TensorParameter::rowwise_data, matrix_.codes,
               type_of(matrix_.format), {matrix_.rows, matrix_.columns});
    const auto of_scales =
        by_columns ? TensorParameter::columnwise_scale_inverse : TensorParameter::rowwise_scale_inverse;
    if (matrix_.scaling == NBIT_SCALING_TENSOR)
        tensor.set(of_scales, scales, layout_.type, {1});
    else
        tensor.set(of_scales, scales, layout_.type, {layout_.padded_rows(), layout_.padded_columns()});
    if (matrix_.amax) tensor.set(TensorParameter::amax, matrix_.amax, Type::float32, {1});
}

void ScaledTensor::take_scales()
{
    if (!scales_) return;
    const Runtime& runtime = launch_.runtime();
    const Stream stream = launch_.stream();
    if (layout_.is_transposed)
        return transpose(engine_, layout_.type, matrix_.scales, layout_.columns, layout_.rows, scales_->data(), stream);
    const int64_t pitch = layout_.pitch(), row_bytes = layout_.columns * type_size(layout_.type);
    if (layout_.padded_rows() > layout_.rows || pitch > row_bytes)
        runtime.fill(scales_->data(), 0, layout_.bytes(), stream);
    const int64_t times = layout_.repetitions;
    for (int64_t i = 0; i < times; ++i)
        runtime.copy_rows(scales_->data() + i * pitch, times * pitch, matrix_.scales, row_bytes, row_bytes,
                          layout_.rows / times, stream);
}

void ScaledTensor::give_scales() const
{
    if (!scales_) return;
    void* const target = const_cast<void*>(matrix_.scales);
    if (layout_.is_transposed)
        return transpose(engine_, layout_.type, scales_->data(), layout_.rows, layout_.columns, target,
                         launch_.stream());
    const int64_t row_bytes = layout_.columns * type_size(layout_.type), times = layout_.repetitions;
    launch_.runtime().copy_rows(target, row_bytes, scales_->data(), times * layout_.pitch(), row_bytes,
                                layout_.rows / times, launch_.stream());
}

void ScaledTensor::swizzle_scales()
{
    if (layout_.mode != ScalingMode::mxfp8_1d && layout_.mode != ScalingMode::nvfp4_1d) return;
    swizzled_scales_.emplace(launch_, layout_.bytes());
    swizzled_tensor_.emplace(engine_, layout_.mode);
    describe(*swizzled_tensor_, swizzled_scales_->data());
    swizzled_tensor_->set_with_swizzled_scales();
    engine_.swizzle_scaling_factors(tensor_.handle(), swizzled_tensor_->handle(), launch_.stream());
}

} // namespace nbit::cuda::te
