// Scales of delayed and current scaling, and float8 with one scale.
#include "cuda/backend.h"
#include "cuda/capability.h"
#include "cuda/refusals.h"
#include "cuda/scaled_tensor.h"

#include <cmath>

namespace nbit::cuda
{
namespace
{

bool is_float8(int32_t type) { return type == NBIT_DATA_TYPE_FLOAT8_E4M3FN || type == NBIT_DATA_TYPE_FLOAT8_E5M2; }

void describe_number(te::Tensor& tensor, te::TensorParameter parameter, const float* number)
{
    tensor.set(parameter, number, te::Type::float32, {1});
}

// Transformer Engine makes 2^-margin in float32: exact for these.
void require_whole_margin(float margin)
{
    constexpr float most = 100;
    if (margin != std::trunc(margin) || std::fabs(margin) > most)
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "margin is %g; Transformer Engine's kernel on CUDA rounds twice unless it is a whole number from "
                    "-100 to 100",
                    static_cast<double>(margin));
}

// The kernels that quantize write 1 / scale: `code` is what the number 1 becomes.
void invert_scale(const TransformerEngine& engine, const Launch& launch, te::Type format, const float* one,
                  const float* scale, float* inverse, uint8_t* code)
{
    te::Tensor source(engine), target(engine);
    const te::QuantizationConfig usual(engine);
    source.set(te::TensorParameter::rowwise_data, one, te::Type::float32, {1, 1});
    target.set(te::TensorParameter::rowwise_data, code, format, {1, 1});
    describe_number(target, te::TensorParameter::scale, scale);
    describe_number(target, te::TensorParameter::rowwise_scale_inverse, inverse);
    engine.quantize(source.handle(), target.handle(), usual.handle(), launch.stream());
}

// Where there is nothing that a kernel could be started for.
void give_scale_inverse(const Launch& launch, const operation::QuantizeFloat8& o)
{
    if (!o.scale_inverse) return;
    float scale = 1;
    if (o.scale) launch.to_host(&scale, o.scale, sizeof(scale));
    const float inverse = 1 / scale;
    launch.to_device(o.scale_inverse, &inverse, sizeof(inverse));
}

} // namespace

// To float8 and from it; libtorch has the rest.
void CudaBackend::run(void* stream, const operation::CastValues& o) const
{
    if (is_float8(o.target_type) && !is_float8(o.source_type))
        return run(stream, operation::QuantizeFloat8{o.source_type, o.source, 1, o.count, o.target_type, o.scale,
                                                     static_cast<uint8_t*>(o.target), nullptr, nullptr, o.amax});
    if (!is_float8(o.source_type) || o.amax)
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "source_type is %d (%s), target_type is %d (%s)%s; Transformer Engine's kernels on CUDA cast to "
                    "float8, and from it without an amax",
                    o.source_type, data_type_name(o.source_type), o.target_type, data_type_name(o.target_type),
                    o.amax ? " and amax is given" : "");
    if (o.count == 0) return;
    const auto* one = static_cast<const float*>(constants().ones.address());
    const ScaledMatrix source{
        o.source_type, NBIT_SCALING_TENSOR, static_cast<const uint8_t*>(o.source), 1, o.count, o.scale ? o.scale : one,
        nullptr};
    run(stream, operation::DequantizeScaled{source, o.target_type, o.target});
}

void CudaBackend::run(void* stream, const operation::ComputeAmax& o) const
{
    const Launch launch(runtime_, device_, stream);
    launch.require_on_device({{"source", o.source}, {"amax", o.amax}});
    if (o.count == 0) return runtime_.fill(o.amax, 0, sizeof(*o.amax), stream);
    const TransformerEngine& engine = libraries_.transformer_engine();
    te::Tensor source(engine), target(engine);
    source.set(te::TensorParameter::rowwise_data, o.source, te::type_of(o.source_type), {1, o.count});
    // The codes that the amax is for; versions before 2.11 take it for nothing but float8
    target.set(te::TensorParameter::rowwise_data, nullptr, te::Type::float8_e4m3, {0});
    describe_number(target, te::TensorParameter::amax, o.amax);
    engine.compute_amax(source.handle(), target.handle(), stream);
}

void CudaBackend::run(void* stream, const operation::ComputeScale& o) const
{
    if (o.count == 0) return;
    const TransformerEngine& engine = libraries_.transformer_engine();
    const Launch launch(runtime_, device_, stream);
    launch.require_on_device({{"amax", o.amax}, {"scale", o.scale}, {"scale_inverse", o.scale_inverse}});
    const te::Type format = te::type_of(o.format);
    const auto* one = static_cast<const float*>(constants().ones.address());
    const DeviceScratch<uint8_t> code(launch, 1);
    te::QuantizationConfig config(engine);
    config.set(te::QuantizationAttribute::force_power_of_two_scales, o.power_of_two);
    config.set(te::QuantizationAttribute::amax_epsilon, o.epsilon);
    for (int64_t i = 0; i < o.count; ++i) {
        te::Tensor target(engine);
        target.set(te::TensorParameter::rowwise_data, code.data(), format, {1, 1});
        describe_number(target, te::TensorParameter::amax, o.amax + i);
        describe_number(target, te::TensorParameter::scale, o.scale + i);
        engine.compute_scale_from_amax(target.handle(), config.handle(), stream);
        invert_scale(engine, launch, format, one, o.scale + i, o.scale_inverse + i, code.data());
    }
}

void CudaBackend::run(void* stream, const operation::UpdateAmaxHistory& o) const
{
    if (o.rule == NBIT_HISTORY_RULE_UNFUSED)
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "rule is 2 (unfused), which is what operations of libtorch do; Transformer Engine's kernels on "
                    "CUDA have fused (0) and single_tensor (1)");
    require_whole_margin(o.margin);
    const int32_t columns = checked_int32("columns", o.columns, of_transformer_engine);
    if (columns == 0) return;
    const TransformerEngine& engine = libraries_.transformer_engine();
    const Launch launch(runtime_, device_, stream);
    launch.require_on_device({{"history", o.history}, {"scale", o.scale}});
    const char* algorithm = o.algorithm == NBIT_AMAX_ALGORITHM_MAX ? "max" : "most_recent";
    const te::Type format = te::type_of(o.format);
    te::Tensor history(engine), scale(engine);
    history.set(te::TensorParameter::rowwise_data, o.history, te::Type::float32, {o.length, columns});
    scale.set(te::TensorParameter::rowwise_data, o.scale, te::Type::float32, {columns});
    if (o.rule == NBIT_HISTORY_RULE_SINGLE_TENSOR)
        return engine.update_history(history.handle(), scale.handle(), history.handle(), scale.handle(), algorithm,
                                     format, o.margin, stream);
    const te::Tensor nothing_reduced(engine); // row 0 of the history is then the amax of the step
    const te::Handle histories[] = {history.handle()}, scales[] = {scale.handle()};
    const te::HandleVector all_histories{histories, histories + 1, histories + 1},
        all_scales{scales, scales + 1, scales + 1};
    engine.update_histories(nothing_reduced.handle(), &all_histories, &all_scales, algorithm, format, o.margin, stream);
}

void CudaBackend::run(void* stream, const operation::QuantizeFloat8& o) const
{
    require_capability(runtime_, device_, NBIT_SCALING_TENSOR);
    // With a transposed copy the kernels read 16 bytes at once
    if (o.transposed_codes)
        for (const auto& [name, address] : {std::pair<const char*, const void*>{"source", o.source},
                                            {"codes", o.codes},
                                            {"transposed_codes", o.transposed_codes}})
            require_aligned(name, address, 16, of_transformer_engine);
    const Launch launch(runtime_, device_, stream);
    launch.require_on_device({{"source", o.source},
                              {"scale", o.scale},
                              {"codes", o.codes},
                              {"transposed_codes", o.transposed_codes},
                              {"scale_inverse", o.scale_inverse},
                              {"amax", o.amax}});
    if (o.rows == 0 || o.columns == 0) return give_scale_inverse(launch, o);
    const TransformerEngine& engine = libraries_.transformer_engine();
    const te::Type format = te::type_of(o.format);
    std::optional<DeviceScratch<uint8_t>> own_codes; // a transposed copy alone is not to be had
    if (!o.codes) own_codes.emplace(launch, o.rows * o.columns);
    std::optional<DeviceScratch<float>> own_inverse;
    if (!o.scale_inverse) own_inverse.emplace(launch, 1);
    const float* inverse = own_inverse ? own_inverse->data() : o.scale_inverse;
    te::Tensor source(engine), target(engine);
    source.set(te::TensorParameter::rowwise_data, o.source, te::type_of(o.source_type), {o.rows, o.columns});
    target.set(te::TensorParameter::rowwise_data, own_codes ? own_codes->data() : o.codes, format, {o.rows, o.columns});
    describe_number(target, te::TensorParameter::rowwise_scale_inverse, inverse);
    if (o.transposed_codes) {
        target.set(te::TensorParameter::columnwise_data, o.transposed_codes, format, {o.columns, o.rows});
        describe_number(target, te::TensorParameter::columnwise_scale_inverse, inverse);
    }
    const auto* one = static_cast<const float*>(constants().ones.address());
    describe_number(target, te::TensorParameter::scale, o.scale ? o.scale : one);
    if (o.amax) describe_number(target, te::TensorParameter::amax, o.amax);
    const te::QuantizationConfig usual(engine);
    engine.quantize(source.handle(), target.handle(), usual.handle(), stream);
}

} // namespace nbit::cuda
