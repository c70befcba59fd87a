// Weights whose linear layer is not libtorch's: quantized ones, for example. They are known by the address of their
// first element, so that detached, aliased and re-wrapped tensors of the same memory are the same weight, and a tensor
// that takes the place of a released one is not.
#pragma once
#include "base/memory.h"
#include "nbit/nbit_torch.h"
#include "torch/library.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace nbit::torch
{

struct LinearWeight {
    nbit_torch_linear_function linear;
    nbit_torch_convert_function convert;
    nbit_torch_release_function release;
    void* state;
    std::vector<int64_t, nbit::Allocator<int64_t>> sizes;

    // The result belongs to the caller. Throws what the function reported.
    Tensor* apply(const Tensor* input, const Tensor* weight, const Tensor* bias) const;

    // What the weight is as `converted`; null for an ordinary tensor. Throws what the function reported.
    Tensor* convert_to(Tensor* converted) const;

    // Whether a tensor that begins where the weight does is the weight.
    bool is_whole_in(const Library& torch, Tensor& tensor) const;
};

// Null for any other tensor.
std::shared_ptr<const LinearWeight> find_linear_weight(const Library& torch, const Tensor& weight);

} // namespace nbit::torch
