// Steps of optimizers.
#include "cuda/backend.h"
#include "cuda/refusals.h"

#include <cstdio>

namespace nbit::cuda
{
namespace
{

bool is_quantized(const operation::StepOptimizer& o) { return o.state_type == NBIT_DATA_TYPE_UINT8; }

void require_rule(const operation::StepOptimizer& o)
{
    if (o.rounding_seeds)
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "rounding_seeds are given; bitsandbytes' kernels on CUDA round to nearest alone");
    if (o.max_unorm > 0)
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "max_unorm is %g; bitsandbytes' library makes no norms of parameters on CUDA",
                    static_cast<double>(o.max_unorm));
    const bool keeps_raw_gradient = o.optimizer == NBIT_OPTIMIZER_RMSPROP || o.optimizer == NBIT_OPTIMIZER_ADAGRAD;
    if (is_quantized(o) && keeps_raw_gradient && (o.weight_decay != 0 || o.gradient_scale != 1))
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "weight_decay is %g and gradient_scale is %g; with 8-bit states bitsandbytes' %s on CUDA applies "
                    "them to the state but not to the step: give 0 and 1",
                    static_cast<double>(o.weight_decay), static_cast<double>(o.gradient_scale),
                    optimizer_names[o.optimizer]);
    if (!is_quantized(o) && is_named_by_bits(o.optimizer) && o.type == NBIT_DATA_TYPE_BFLOAT16)
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "type is 15 (bfloat16); with float32 states bitsandbytes' %s on CUDA has float32 and float16",
                    optimizer_names[o.optimizer]);
}

void require_tensors(const operation::StepOptimizer& o)
{
    for (int64_t i = 0; i < o.tensors; ++i) {
        char name[32];
        std::snprintf(name, sizeof(name), "counts[%lld]", static_cast<long long>(i));
        checked_int32(name, o.counts[i]);
        // The absmax of its second first moment begins at count / 256, which is within the last block of the first
        if (is_quantized(o) && o.optimizer == NBIT_OPTIMIZER_ADEMAMIX) require_multiple(name, o.counts[i], 256);
    }
}

} // namespace

void CudaBackend::run(void* stream, const operation::StepOptimizer& o) const
{
    require_rule(o);
    const int32_t step = checked_int32("step", o.step);
    require_tensors(o);
    if (o.tensors == 0) return;
    const Bitsandbytes& library = libraries_.bitsandbytes();
    const Launch launch(runtime_, device_, stream);
    const bool quantized = is_quantized(o), has_second = states_of(o.optimizer) > 1;
    for (int64_t i = 0; i < o.tensors; ++i) {
        if (o.counts[i] == 0) continue;
        launch.require_on_device(
            {{"parameters", o.parameters[i]}, {"gradients", o.gradients[i]}, {"state1", o.state1[i]}});
        if (has_second) launch.require_on_device("state2", o.state2[i]);
        if (quantized) launch.require_on_device("absmax1", o.absmax1[i]);
        if (quantized && has_second) launch.require_on_device("absmax2", o.absmax2[i]);
    }
    const int format = format_index(o.type);
    const auto* map1 = quantized ? static_cast<const float*>(constants().signed_map.address()) : nullptr;
    const auto* map2 = quantized ? static_cast<const float*>(constants().unsigned_map.address()) : nullptr;
    on_default_stream(launch, [&] {
        for (int64_t i = 0; i < o.tensors; ++i) {
            const auto count = static_cast<int32_t>(o.counts[i]);
            if (count == 0) continue;
            void* state2 = has_second ? o.state2[i] : nullptr;
            if (quantized)
                library.step8[o.optimizer][format](
                    o.parameters[i], o.gradients[i], static_cast<uint8_t*>(o.state1[i]), static_cast<uint8_t*>(state2),
                    o.beta1, o.beta2, o.beta3, o.alpha, o.epsilon, step, o.learning_rate, map1, map2, o.absmax1[i],
                    has_second ? o.absmax2[i] : nullptr, o.weight_decay, o.gradient_scale, o.skip_zeros == 1, count);
            else
                library.step32[o.optimizer][format](o.gradients[i], o.parameters[i], static_cast<float*>(o.state1[i]),
                                                    static_cast<float*>(state2), nullptr, 0, 0, o.beta1, o.beta2,
                                                    o.beta3, o.alpha, o.epsilon, o.weight_decay, step, o.learning_rate,
                                                    o.gradient_scale, o.skip_zeros == 1, count);
        }
    });
}

} // namespace nbit::cuda
