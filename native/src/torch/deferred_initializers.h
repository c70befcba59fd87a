// Initializers that run later: a model is made without touching the memory of its large weights.
#pragma once
#include "torch/library.h"

#include <cstdint>

namespace nbit::torch
{

// The arguments of torch.nn.init.kaiming_uniform_, which Linear uses.
struct KaimingUniform {
    double slope;
    int64_t mode, nonlinearity;
};

// False where the initializer has to run now: nothing is put off on this thread, or the tensor is no matrix of the
// CPU's in float32, float16 or bfloat16.
bool defer_initializer(const Library& torch, const Tensor& tensor, const KaimingUniform& initializer) noexcept;

} // namespace nbit::torch
