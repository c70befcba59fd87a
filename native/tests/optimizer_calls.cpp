#include "optimizer_calls.h"

namespace nbit::test
{

int32_t OptimizerCall::run(nbit_context* context, const std::vector<OptimizerTensor*>& tensors) const
{
    std::vector<int64_t> counts;
    std::vector<void*> parameters, state1, state2;
    std::vector<const void*> gradients;
    std::vector<float*> absmax1, absmax2;
    for (OptimizerTensor* tensor : tensors) {
        counts.push_back(tensor->count);
        parameters.push_back(tensor->parameters.data());
        gradients.push_back(tensor->gradients.data());
        state1.push_back(tensor->state1.data());
        state2.push_back(tensor->state2.data());
        absmax1.push_back(tensor->absmax1.data());
        absmax2.push_back(tensor->absmax2.data());
    }
    const OptimizerTensor& first = *tensors.front();
    const bool has_second = states_of(first.optimizer) > 1;
    return nbit_optimizer_step(
        context, first.optimizer, step, learning_rate, beta1, beta2, beta3, alpha, epsilon, weight_decay,
        gradient_scale, max_unorm, skip_zeros, static_cast<int64_t>(tensors.size()), counts.data(), first.type,
        parameters.data(), gradients.data(), first.is_quantized ? NBIT_DATA_TYPE_UINT8 : NBIT_DATA_TYPE_FLOAT32,
        state1.data(), has_second ? state2.data() : nullptr, first.is_quantized ? absmax1.data() : nullptr,
        first.is_quantized && has_second ? absmax2.data() : nullptr, rounding_seeds);
}

} // namespace nbit::test
