// Products of scaled matrices: the contract of the kernels, and where to find them.
#pragma once
#include "cpu/float8/scaled_matrix.h"

#include <cstddef>

namespace nbit
{

// An operand, whose rows are summed over: the matrix, or its transpose.
struct ScaledOperand {
    ScaledMatrix matrix;
    bool transposed;

    int64_t rows() const { return transposed ? matrix.columns : matrix.rows; }
    int64_t depth() const { return transposed ? matrix.rows : matrix.columns; }
};

// target[i, j] = round(sum of a[i, t] * b[j, t] * scale of a * scale of b + bias[j] + target[i, j]). The sum, its
// products with what the scales of the whole matrices are, the bias and the target are float32, rounded after each
// step.
struct ScaledProduct {
    ScaledOperand a, b;
    const float* bias; // null for none
    bool accumulate;   // adds the target
    int32_t target_type;
    void* target; // row-major [a.rows(), b.rows()]
};

// Part of the target.
struct TargetPart {
    int64_t row, rows, column, columns;
};

// Pure functions: no memory, no threads, no state. No codes or elements need any alignment; packed rows and workspaces
// begin a cache line. Work on up to block_rows8 rows of a, in the panels of products8.h, and block_columns8 rows of b.
// Need the mode of base/float_environment.h.
struct ScaledProductKernel {
    int64_t (*packed_bytes)(int64_t rows, int64_t depth);
    // Panels [first, last) of rows [row, row + rows) of a go to `packed`.
    void (*pack)(const ScaledOperand& a, int64_t row, int64_t rows, int64_t first, int64_t last, std::byte* packed);
    int64_t (*workspace_bytes)(int64_t rows);
    void (*multiply)(const ScaledProduct& product, const std::byte* packed, const TargetPart& part,
                     std::byte* workspace);
};

// Chooses by formats and scales, not by the number of threads.
using ChooseScaledProduct = const ScaledProductKernel& (*)(const ScaledProduct& product);

namespace reference
{
const ScaledProductKernel& scaled_product(const ScaledProduct& product); // with sums in float64
}

namespace scalar
{
const ScaledProductKernel& scaled_product(const ScaledProduct& product);
}
namespace avx2
{
const ScaledProductKernel& scaled_product(const ScaledProduct& product);
}
namespace avx512
{
const ScaledProductKernel& scaled_product(const ScaledProduct& product);
}
namespace avx512bf16
{
const ScaledProductKernel& scaled_product(const ScaledProduct& product);
}

// That of an instruction set that this machine has.
ChooseScaledProduct scaled_products_of(nbit_instruction_set which) noexcept;

} // namespace nbit
