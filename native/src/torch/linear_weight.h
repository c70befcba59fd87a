// Weights whose linear layer is not libtorch's: quantized ones, for example. They are known by the address of their
// first element, so that detached, aliased and re-wrapped tensors of the same memory are the same weight, and a tensor
// that takes the place of a released one is not.
#pragma once
#include "nbit/nbit_torch.h"
#include "torch/library.h"

#include <memory>

namespace nbit::torch
{

struct LinearWeight {
    nbit_torch_linear_function linear;
    nbit_torch_release_function release;
    void* state;

    // The result belongs to the caller. Throws what the function reported.
    Tensor* apply(const Tensor* input, const Tensor* weight, const Tensor* bias) const;
};

// Null for any other tensor.
std::shared_ptr<const LinearWeight> find_linear_weight(const Library& torch, const Tensor& weight);

} // namespace nbit::torch
