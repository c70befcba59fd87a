// Float8 and float4 in blocks.
#include "cuda/backend.h"
#include "cuda/capability.h"
#include "cuda/refusals.h"
#include "cuda/scaled_tensor.h"

namespace nbit::cuda
{
namespace
{

// The kernels work on whole blocks, and read and write 16 bytes at once.
void require_layout(const operation::BlockSource& source, const ScaledMatrix& matrix, int64_t multiple,
                    const char* scales)
{
    require_multiple("rows", source.rows, multiple, of_transformer_engine);
    require_multiple("columns", source.columns, multiple, of_transformer_engine);
    require_aligned("source", source.elements, 16, of_transformer_engine);
    require_aligned("codes", matrix.codes, 16, of_transformer_engine);
    require_aligned(scales, matrix.scales, 16, of_transformer_engine);
}

// One call of the library's quantizer. A transpose is quantized as what it is: a matrix that was transposed before.
class BlockQuantizer
{
public:
    BlockQuantizer(const TransformerEngine& engine, const Launch& launch, const operation::BlockSource& source,
                   const ScaledMatrix& matrix)
        : engine_(engine), launch_(launch), source_(engine), target_(engine, launch, matrix), config_(engine)
    {
        const te::Type type = te::type_of(source.type);
        const void* elements = source.elements;
        if (source.transpose) {
            transposed_.emplace(launch, source.rows * source.columns * te::type_size(type));
            te::transpose(engine, type, elements, source.rows, source.columns, transposed_->data(), launch.stream());
            elements = transposed_->data();
        }
        source_.set(te::TensorParameter::rowwise_data, elements, type, {matrix.rows, matrix.columns});
    }

    te::QuantizationConfig& config() noexcept { return config_; }
    void run() const
    {
        engine_.quantize(source_.handle(), target_.handle(), config_.handle(), launch_.stream());
        target_.give_scales();
    }

private:
    const TransformerEngine& engine_;
    const Launch& launch_;
    std::optional<DeviceScratch<uint8_t>> transposed_;
    te::Tensor source_;
    te::ScaledTensor target_;
    te::QuantizationConfig config_;
};

bool is_empty(const operation::BlockSource& source) { return source.rows == 0 || source.columns == 0; }

} // namespace

void CudaBackend::run(void* stream, const operation::QuantizeMxfp8& o) const
{
    require_capability(runtime_, device_, o.matrix.scaling);
    require_layout(o.source, o.matrix, 32, "scales");
    const Launch launch(runtime_, device_, stream);
    launch.require_on_device({{"source", o.source.elements}, {"codes", o.matrix.codes}, {"scales", o.matrix.scales}});
    if (is_empty(o.source)) return;
    BlockQuantizer quantizer(libraries_.transformer_engine(), launch, o.source, o.matrix);
    if (o.matrix.scaling == NBIT_SCALING_MXFP8_32X32)
        quantizer.config().set(te::QuantizationAttribute::two_dimensional_mxfp8, true);
    quantizer.run();
}

void CudaBackend::run(void* stream, const operation::QuantizeFloat8Blocks& o) const
{
    require_capability(runtime_, device_, o.matrix.scaling);
    const ComputeCapability found = runtime_.capability(device_);
    if (!o.power_of_two && !found.is_before({10, 0}))
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "power_of_two is 0; from compute capability 10.0 on (device %d has %d.%d) Transformer Engine's "
                    "float8 in blocks has powers of two alone: give 1",
                    device_, found.major, found.minor);
    require_layout(o.source, o.matrix, 16, "scale_inverses");
    const Launch launch(runtime_, device_, stream);
    launch.require_on_device(
        {{"source", o.source.elements}, {"codes", o.matrix.codes}, {"scale_inverses", o.matrix.scales}});
    if (is_empty(o.source)) return;
    BlockQuantizer quantizer(libraries_.transformer_engine(), launch, o.source, o.matrix);
    quantizer.config().set(te::QuantizationAttribute::force_power_of_two_scales, o.power_of_two);
    quantizer.config().set(te::QuantizationAttribute::amax_epsilon, o.epsilon);
    quantizer.run();
}

// Stochastic rounding is by other random numbers than on the CPU, made of the same seed.
void CudaBackend::run(void* stream, const operation::QuantizeNvfp4& o) const
{
    require_capability(runtime_, device_, o.matrix.scaling);
    const ComputeCapability found = runtime_.capability(device_);
    if (o.rounding_seed && found.major != 10)
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "rounding_seed is given; only devices of compute capability 10.x round to NVFP4 stochastically, "
                    "and device %d has %d.%d",
                    device_, found.major, found.minor);
    require_layout(o.source, o.matrix, 16, "scales");
    const Launch launch(runtime_, device_, stream);
    launch.require_on_device({{"source", o.source.elements},
                              {"amax", o.amax},
                              {"rounding_seed", o.rounding_seed},
                              {"codes", o.matrix.codes},
                              {"scales", o.matrix.scales}});
    if (is_empty(o.source)) return;
    const TransformerEngine& engine = libraries_.transformer_engine();
    ScaledMatrix matrix = o.matrix;
    matrix.amax = o.amax;
    std::optional<DeviceScratch<uint64_t>> random_state; // the seed, and an offset in its sequence
    te::Tensor random(engine);
    BlockQuantizer quantizer(engine, launch, o.source, matrix);
    if (o.block_rows > 1) quantizer.config().set(te::QuantizationAttribute::two_dimensional_nvfp4, true);
    if (o.rounding_seed) {
        constexpr int64_t bytes = sizeof(uint64_t);
        random_state.emplace(launch, 2);
        runtime_.fill(random_state->data(), 0, 2 * bytes, stream);
        runtime_.copy_rows(random_state->data(), bytes, o.rounding_seed, bytes, bytes, 1, stream);
        random.set(te::TensorParameter::rowwise_data, random_state->data(), te::Type::int64, {2});
        quantizer.config().set(te::QuantizationAttribute::random_state, random);
        quantizer.config().set(te::QuantizationAttribute::stochastic_rounding, true);
    }
    quantizer.run();
}

} // namespace nbit::cuda
