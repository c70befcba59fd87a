// Products of int8 matrices, and what LLM.int8() makes of them: the contract of the kernels, and where to find them.
#pragma once
#include "cpu/number_formats.h"

#include <cstddef>

namespace nbit
{

// Terms of a sum: with more, 128 * 128 a term, it may not fit in int32.
inline constexpr int64_t most_terms8 = 131071;

// What a kernel works on at once: so many rows of x, whose packed form and sums fit a second-level cache, and so many
// rows of the weight, which are the columns of the product.
inline constexpr int64_t block_rows8 = 518, block_columns8 = 128;

// Rows of x are packed in panels, which may go to different threads: panel p of n begins at row (p * rows) / n.
inline constexpr int64_t panel_rows8 = 14;

// Pure functions: no memory, no threads, no state. No codes or elements need any alignment; packed rows and workspaces
// begin a cache line. Need the mode of base/float_environment.h.

// Panels [first, last) of a block of x, whose codes are row-major [rows, columns], go to `packed`.
struct Panels8 {
    int64_t first, last;
};
using PackRows8 = void (*)(const int8_t* codes, int64_t rows, int64_t columns, const Panels8& panels,
                           std::byte* packed);

// Rows of a weight, row-major [rows, columns].
struct Weight8 {
    const int8_t* codes;
    int64_t rows, columns;
};

// product[r, c] = sum of x[r, k] * weight[c, k] for a block of x; `stride` elements from row to row.
using MultiplyRows8 = void (*)(const std::byte* packed, int64_t rows, const Weight8& weight, int32_t* product,
                               int64_t stride, std::byte* workspace);

// Columns of a weight that x multiplies in another precision.
struct Outliers8 {
    const int64_t* columns; // rising
    int64_t count;
};
inline constexpr int64_t outlier_chain = 192; // columns

// product[r, c] = sum over the outlier columns j of x[r, j] * (weight[c, columns[j]] * absmax[c] * (1 / 127)), where x
// is row-major [rows, count]. The weight is rounded to float32 after each product. The sum is a chain of fused
// multiply-adds from 0 for every 192 columns, in their order; chains are added in theirs. `stride` elements from row to
// row.
using MultiplyOutliers8 = void (*)(const float* x, int64_t rows, const Outliers8& outliers, const Weight8& weight,
                                   const float* absmax, float* product, int64_t stride, std::byte* workspace);

// A part of an int8 product and what belongs to it.
struct Product8 {
    const int32_t* sums; // [rows, columns]
    int64_t rows, columns, stride;
    const float* row_absmax;
    const float* column_absmax;
    const float* bias;   // null for none
    const float* addend; // [rows, columns], null for none
    int64_t addend_stride;
};
// target[r, c] = round(fma(sums * row_absmax * column_absmax, 1 / 127^2, bias) + addend), all in float32 and rounded
// after each step; `stride` elements from row to row.
using DequantizeProduct8 = void (*)(const Product8& product, void* target, int64_t stride);

struct Products8Table {
    int64_t (*workspace_bytes)(int64_t rows); // of a block
    int64_t (*packed_bytes)(int64_t rows, int64_t columns);
    PackRows8 pack;
    MultiplyRows8 multiply;
    MultiplyOutliers8 multiply_outliers;
    FormatKernels<DequantizeProduct8> dequantize; // by target
};

namespace reference
{
extern const Products8Table products8; // one element at a time, by the definitions alone
}
namespace scalar
{
extern const Products8Table products8;
}
namespace avx2
{
extern const Products8Table products8;
}
namespace avx512
{
extern const Products8Table products8;
}
namespace avx512bf16
{
extern const Products8Table products8;
}

// The table of an instruction set that this machine has.
const Products8Table& products8_of(nbit_instruction_set which) noexcept;

namespace
{

// bitsandbytes' CUDA kernels have this constant; its CPU kernel has 6.200124e-05, which is not 1 / 127^2.
constexpr float one_product8_step = 6.200012e-05f;
static_assert(one_product8_step == static_cast<float>(1.0 / (127.0 * 127.0)));

inline int64_t panel_count8(int64_t rows) { return (rows + panel_rows8 - 1) / panel_rows8; }
inline int64_t first_row_of_panel8(int64_t rows, int64_t panel) { return rows * panel / panel_count8(rows); }

} // namespace

} // namespace nbit
