// Which devices have Transformer Engine's kernels for a kind of scales.
#pragma once
#include "cuda/runtime.h"

namespace nbit::cuda
{

// Throws unless the device's compute capability and the version of CUDA are those that one of nbit_scaling needs.
void require_capability(const Runtime& runtime, int32_t device, int32_t scaling);

} // namespace nbit::cuda
