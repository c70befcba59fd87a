// Calls of nbit_optimizer_step for tests.
#pragma once
#include "abi.h"
#include "optimizer_cases.h"

namespace nbit::test
{

// The arguments beside the tensors.
struct OptimizerCall {
    int64_t step = 7;
    float learning_rate = 0.01f, beta1 = 0.9f, beta2 = 0.99f, beta3 = 0.995f, alpha = 5, epsilon = 1e-6f;
    float weight_decay = 0.1f, gradient_scale = 0.75f, max_unorm = 0;
    int32_t skip_zeros = 0;
    const uint64_t* rounding_seeds = nullptr; // one a tensor

    // Tensors of one optimizer, type and kind of states.
    int32_t run(nbit_context* context, const std::vector<OptimizerTensor*>& tensors) const;
};

} // namespace nbit::test
