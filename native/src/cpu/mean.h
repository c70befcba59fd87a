// The mean that double quantization subtracts.
#pragma once
#include <cstdint>

namespace nbit
{

// The float32 sum, divided in float32, of the elements that are finite; 0 if there is none. The sum is the exact one
// rounded once, or next to it: it is made in double. That is where torch.mean's sums scatter around, whose last bits
// depend on the instruction set and the number of threads; the division is torch's.
float mean_of_finite(const float* elements, int64_t count) noexcept;

} // namespace nbit
