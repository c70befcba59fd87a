// Gradients of what int8 linear layers multiply: the contract of the kernels, and where to find them.
#pragma once
#include "cpu/products8.h"

namespace nbit
{

// Pure functions: no memory, no threads, no state. Work on blocks of block_rows8 rows, in the panels of products8.h,
// and of block_columns8 columns. No codes or elements need any alignment; packed rows and workspaces begin a cache
// line. Need the mode of base/float_environment.h.

// Panels [first, last) of a block of a gradient, row-major [rows, columns], go to `packed`.
using PackGradient8 = void (*)(const void* gradient, int64_t rows, int64_t columns, const Panels8& panels,
                               std::byte* packed);
inline constexpr int64_t packed_gradient_bytes8 = 4; // at most, of an element

// Some columns of a weight, row-major, whose rows are the columns of the gradient.
struct WeightColumns8 {
    const int8_t* codes; // at the first of these columns
    int64_t rows, columns, stride;
    const float* absmax; // [rows]
};

// target[r, c] = round(sum over o of gradient[r, o] * w[o, c]), w = codes[o, c] * absmax[o] * (1 / 127), rounded to
// float32 after each product and then to the gradient's format, which is also the target's. The sum is made in float32,
// in an order that an instruction set chooses. Denormals of a bfloat16 gradient or weight may count as zero. `stride`
// elements from row to row.
using MultiplyGradient8 = void (*)(const std::byte* packed, int64_t rows, const WeightColumns8& weight, void* target,
                                   int64_t stride, std::byte* workspace);

struct Gradients8Table {
    int64_t (*workspace_bytes)(int64_t rows); // of a block
    FormatKernels<PackGradient8> pack;
    FormatKernels<MultiplyGradient8> multiply;
};

namespace reference
{
extern const Gradients8Table gradients8; // one element at a time, with sums in double
}
namespace scalar
{
extern const Gradients8Table gradients8;
}
namespace avx2
{
extern const Gradients8Table gradients8;
}
namespace avx512
{
extern const Gradients8Table gradients8;
}
namespace avx512bf16
{
extern const Gradients8Table gradients8;
}

// The table of an instruction set that this machine has.
const Gradients8Table& gradients8_of(nbit_instruction_set which) noexcept;

} // namespace nbit
