// Scaled matrices: back to numbers, and their products.
#include "cuda/backend.h"
#include "cuda/capability.h"
#include "cuda/refusals.h"
#include "cuda/scaled_tensor.h"

namespace nbit::cuda
{
namespace
{

using Parameter = te::TensorParameter;

bool is_mxfp8(int32_t scaling)
{
    return scaling == NBIT_SCALING_MXFP8_1X32 || scaling == NBIT_SCALING_MXFP8_32X1 ||
           scaling == NBIT_SCALING_MXFP8_32X32;
}
bool is_in_float8_blocks(int32_t scaling)
{
    return scaling == NBIT_SCALING_FLOAT8_1X128 || scaling == NBIT_SCALING_FLOAT8_128X128;
}

// Of which rows and columns must be multiples; cuBLAS wants rows of 16 bytes.
int64_t block_length(int32_t scaling) { return is_mxfp8(scaling) ? 32 : 16; }

// cuBLAS multiplies operands that are scaled in the same way, along the dimension that is summed over.
void require_scalings(const operation::MultiplyScaled& o)
{
    const int32_t a = o.a.scaling, b = o.b.scaling;
    const bool pairs = a == b || (is_mxfp8(a) && is_mxfp8(b)) || (is_in_float8_blocks(a) && is_in_float8_blocks(b));
    if (!pairs || (a == NBIT_SCALING_FLOAT8_128X128 && b == a))
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "a_scaling is %d and b_scaling is %d; Transformer Engine's products on CUDA take two operands with "
                    "one scale, two of MXFP8, two of NVFP4, or two in float8 blocks, of which one is 1 x 128",
                    a, b);
    if (o.a.format == NBIT_DATA_TYPE_FLOAT8_E5M2 && o.b.format == o.a.format)
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "a_format and b_format are 23 (float8_e5m2); one operand of a product on CUDA must be "
                    "float8_e4m3fn (24)");
}

void require_orientation(const char* name, int32_t scaling, bool transposed)
{
    if (scaling == NBIT_SCALING_TENSOR || scaling == NBIT_SCALING_MXFP8_32X32) return;
    const bool needed = scaling == NBIT_SCALING_MXFP8_32X1;
    if (transposed != needed)
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "%s is %d; with scaling %d it must be %d on CUDA, so that the dimension that is summed over is the "
                    "one that was quantized in blocks",
                    name, transposed, scaling, needed);
}

void require_epilogue(const operation::MultiplyScaled& o)
{
    if (o.bias) {
        const bool is_half = o.target_type == NBIT_DATA_TYPE_FLOAT16;
        require_type("bias_type", o.bias_type, is_half ? NBIT_DATA_TYPE_FLOAT16 : NBIT_DATA_TYPE_BFLOAT16,
                     of_transformer_engine);
        require_aligned("bias", o.bias, 16, of_transformer_engine);
        if (o.accumulate)
            throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                        "accumulate is 1 and there is a bias; products on CUDA add the bias last and not before the "
                        "target. Add one of the two by itself");
    }
    if (o.a.scaling == NBIT_SCALING_NVFP4_1X16 && o.target_type == NBIT_DATA_TYPE_FLOAT16)
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "target_type is 5 (float16); products of NVFP4 on CUDA give bfloat16 (15) and float32 (6)");
}

void require_sizes(const operation::MultiplyScaled& o)
{
    const int64_t length = block_length(o.a.scaling);
    const bool is_whole = is_mxfp8(o.a.scaling) || o.a.scaling == NBIT_SCALING_NVFP4_1X16;
    const int64_t side = is_whole ? length : 8; // rows of the target have 16 bytes in 16-bit formats
    for (const auto& [name, size, multiple] : {std::tuple{"m", o.m, side}, {"n", o.n, side}, {"k", o.k, length}}) {
        require_multiple(name, size, multiple, of_transformer_engine);
        checked_int32(name, size, of_transformer_engine);
    }
    if (o.k == 0)
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND, "k is 0; products on CUDA need %lld or more",
                    static_cast<long long>(length));
    require_aligned("a", o.a.codes, 16, of_transformer_engine);
    require_aligned("b", o.b.codes, 16, of_transformer_engine);
    require_aligned("target", o.target, 16, of_transformer_engine);
    if (o.a.scaling == NBIT_SCALING_TENSOR) return;
    require_aligned("a_scales", o.a.scales, 16, of_transformer_engine);
    require_aligned("b_scales", o.b.scales, 16, of_transformer_engine);
}

// An operand as products read it: its rows are summed over, or its columns where MXFP8 has scaled them. Hopper's tensor
// cores have no other layout for float8, so that what is given as transposed is transposed first.
class Operand
{
public:
    Operand(const TransformerEngine& engine, const Launch& launch, const ScaledMatrix& given, bool transposed)
        : by_columns_(given.scaling == NBIT_SCALING_MXFP8_32X1)
    {
        ScaledMatrix matrix = given;
        if (transposed && !by_columns_) {
            matrix.rows = given.columns;
            matrix.columns = given.rows;
            matrix.codes = transpose(engine, launch, codes_, given.codes, given.rows, given.columns);
            if (given.scaling != NBIT_SCALING_TENSOR)
                matrix.scales =
                    transpose(engine, launch, scales_, given.scales, matrix.scale_columns(), given.scale_columns());
        }
        tensor_.emplace(engine, launch, matrix);
        tensor_->take_scales();
        tensor_->swizzle_scales();
    }

    te::Handle handle() const noexcept { return tensor_->handle(); }
    bool by_columns() const noexcept { return by_columns_; }

private:
    // Of bytes: to the library, codes are as good as any.
    static const uint8_t* transpose(const TransformerEngine& engine, const Launch& launch,
                                    std::optional<DeviceScratch<uint8_t>>& target, const void* source, int64_t rows,
                                    int64_t columns)
    {
        target.emplace(launch, rows * columns);
        te::transpose(engine, te::Type::float8_e4m3, source, rows, columns, target->data(), launch.stream());
        return target->data();
    }

    bool by_columns_;
    std::optional<DeviceScratch<uint8_t>> codes_, scales_;
    std::optional<te::ScaledTensor> tensor_;
};

// What Transformer Engine gives cuBLAS.
int64_t workspace_bytes(const ComputeCapability& capability)
{
    return capability.is_before({9, 0}) ? 4 << 20 : (32 << 20) + 1024;
}

} // namespace

void CudaBackend::run(void* stream, const operation::DequantizeScaled& o) const
{
    const ScaledMatrix& matrix = o.matrix;
    if (is_in_float8_blocks(matrix.scaling))
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "scaling is %d; Transformer Engine has no kernel on CUDA that dequantizes float8 in blocks",
                    matrix.scaling);
    require_capability(runtime_, device_, matrix.scaling);
    if (matrix.scaling != NBIT_SCALING_TENSOR) {
        require_multiple("columns", matrix.columns, block_length(matrix.scaling), of_transformer_engine);
        if (is_mxfp8(matrix.scaling)) require_multiple("rows", matrix.rows, 32, of_transformer_engine);
        require_aligned("codes", matrix.codes, 16, of_transformer_engine);
        require_aligned("target", o.target, 16, of_transformer_engine);
    }
    const TransformerEngine& engine = libraries_.transformer_engine();
    const Launch launch(runtime_, device_, stream);
    launch.require_on_device(
        {{"codes", matrix.codes}, {"scales", matrix.scales}, {"amax", matrix.amax}, {"target", o.target}});
    te::ScaledTensor source(engine, launch, matrix);
    te::Tensor target(engine);
    target.set(Parameter::rowwise_data, o.target, te::type_of(o.target_type), {matrix.rows, matrix.columns});
    source.take_scales();
    engine.dequantize(source.handle(), target.handle(), stream);
}

void CudaBackend::run(void* stream, const operation::MultiplyScaled& o) const
{
    require_scalings(o);
    require_orientation("a_transposed", o.a.scaling, o.a_transposed);
    require_orientation("b_transposed", o.b.scaling, o.b_transposed);
    require_epilogue(o);
    require_sizes(o);
    require_capability(runtime_, device_, o.a.scaling);
    const ComputeCapability found = runtime_.capability(device_);
    if (is_in_float8_blocks(o.a.scaling) && !found.is_before({10, 0}))
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "products in float8 blocks need compute capability 9.x; device %d has %d.%d. Use MXFP8 there",
                    device_, found.major, found.minor);
    const TransformerEngine& engine = libraries_.transformer_engine();
    const Launch launch(runtime_, device_, stream);
    launch.require_on_device({{"a", o.a.codes},
                              {"a_scales", o.a.scales},
                              {"a_amax", o.a.amax},
                              {"b", o.b.codes},
                              {"b_scales", o.b.scales},
                              {"b_amax", o.b.amax},
                              {"bias", o.bias},
                              {"target", o.target}});
    // In its column-major terms, the library multiplies b with a.
    const Operand a(engine, launch, o.a, o.a_transposed), b(engine, launch, o.b, o.b_transposed);
    te::Tensor target(engine), bias(engine), workspace(engine);
    target.set(Parameter::rowwise_data, o.target, te::type_of(o.target_type), {o.m, o.n});
    const int64_t bytes = workspace_bytes(found);
    const DeviceScratch<uint8_t> memory(launch, bytes);
    workspace.set(Parameter::rowwise_data, memory.data(), te::Type::byte, {bytes});
    te::MatmulConfig config(engine);
    config.set(te::MatmulAttribute::split_accumulator, true); // fast accumulation keeps fewer bits than float32
    if (o.bias) {
        bias.set(Parameter::rowwise_data, o.bias, te::type_of(o.bias_type), {o.n});
        config.set(te::MatmulAttribute::bias_tensor, bias);
    }
    const float alpha = 1, beta = o.accumulate ? 1 : 0;
    engine.multiply(!b.by_columns(), a.by_columns(), &alpha, b.handle(), a.handle(), &beta, target.handle(),
                    target.handle(), workspace.handle(), config.handle(), stream);
}

} // namespace nbit::cuda
