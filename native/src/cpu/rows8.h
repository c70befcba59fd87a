// int8 quantization of LLM.int8() by rows and by columns: the contract of the kernels, and where to find them.
#pragma once
#include "cpu/absmax.h"
#include "cpu/matrix_part.h"
#include "cpu/number_formats.h"

namespace nbit
{

// Pure functions: no memory, no threads, no state. Elements and codes need no alignment. `stream`: write the output
// past the caches where it is aligned. Need the mode of base/float_environment.h.
//
// The rule, for the elements of a row or column: code = rint(x * (127 * (1 / absmax))), halves to even, with the
// reciprocal, its product with 127 and the product with x rounded to float32 one after the other. NaN makes absmax NaN
// and the codes 0; beside an infinity, whose code is 127 with its sign, every finite element gets 0.

// Rows [0, rows) of codes[rows, columns] and absmax[rows]. Elements with |x| >= threshold, if that is above 0, are
// outliers: they count for no absmax, get the code 0, and set outlier_columns[column] to 1, by atomic stores, because
// other threads do the same.
using QuantizeRows8 = void (*)(const void* source, int64_t rows, int64_t columns, float threshold, int8_t* codes,
                               float* absmax, uint8_t* outlier_columns, bool stream);

// Makes largest[c] the larger one of itself and the magnitude bits, as float32, of all elements of column c.
using RaiseColumns8 = void (*)(const void* source, const MatrixPart& part, uint32_t* largest);

// Column c of the part, whose absmax is absmax[c], goes to codes + c * code_stride. Elements above absmax, which a
// column that is left out has, get the code 0.
using QuantizeColumns8 = void (*)(const void* source, const MatrixPart& part, const float* absmax, int8_t* codes,
                                  int64_t code_stride, bool stream);

// target[r, c] = round(codes[r, c] * absmax[r] * (1 / 127)), rounded to float32 after each product.
using DequantizeRows8 = void (*)(const int8_t* codes, const float* absmax, int64_t rows, int64_t columns, void* target,
                                 bool stream);

struct Rows8Table {
    FormatKernels<QuantizeRows8> quantize;            // by source
    FormatKernels<RaiseColumns8> raise_columns;       // by source
    FormatKernels<QuantizeColumns8> quantize_columns; // by source
    FormatKernels<DequantizeRows8> dequantize;        // by target
};

namespace reference
{
extern const Rows8Table rows8; // one element at a time, by the definitions alone
}
namespace scalar
{
extern const Rows8Table rows8;
}
namespace avx2
{
extern const Rows8Table rows8;
}
namespace avx512
{
extern const Rows8Table rows8;
}
namespace avx512bf16
{
extern const Rows8Table rows8;
}

// The table of an instruction set that this machine has.
const Rows8Table& rows8_of(nbit_instruction_set which) noexcept;

// codes[rows, columns] becomes 0 in every column whose flag is 1. For few of them.
void clear_columns(int8_t* codes, int64_t rows, int64_t columns, const uint8_t* flags) noexcept;

namespace
{

constexpr float int8_steps = 127;
constexpr float one_int8_step = 1 / int8_steps;

// Smaller magnitudes are not told apart: 127 over a smaller divisor would be infinite.
constexpr float least_row_divisor = 1e-36f;

inline float row_scale(float absmax)
{
    const float reciprocal = 1.0f / (absmax > least_row_divisor ? absmax : least_row_divisor);
    return int8_steps * reciprocal;
}

// In a row or column whose absmax is infinite or NaN. Outliers, which count for no absmax, get the code 0.
inline int8_t special_code_of_row(float value, float absmax)
{
    if (std::isnan(absmax) || !std::isinf(value)) return 0;
    return value > 0 ? 127 : -127;
}

} // namespace

} // namespace nbit
