// What quantizers of scaled matrices are made of: the contract of the kernels, and where to find them.
#pragma once
#include "cpu/matrix_part.h"
#include "cpu/number_formats.h"

namespace nbit
{

// Pure functions: no memory, no threads, no state. Nothing needs alignment. Need the mode of base/float_environment.h.

// Makes largest[c] the largest one of itself and the magnitudes of all elements of column c. NaN is left out.
using RaiseLargest = void (*)(const void* source, const MatrixPart& part, float* largest);

// codes[i] = the code of source[i] * factors[i], the product rounded to float32 first. One byte a code, also of E2M1.
using EncodeRow = void (*)(const void* source, int64_t count, const float* factors, uint8_t* codes);

// target[i] = round(number of code i * scales[i]), the product rounded to float32 first. Two codes of E2M1 a byte.
using DecodeRow = void (*)(const uint8_t* codes, int64_t count, const float* scales, void* target);

// target[c * target_stride + r] = source[r * stride + c].
using TransposeBytes = void (*)(const uint8_t* source, const MatrixPart& part, uint8_t* target, int64_t target_stride);

// The formats of codes in the order of the table.
inline constexpr int code_format_count = 3;
inline constexpr nbit_data_type code_formats[code_format_count] = {
    NBIT_DATA_TYPE_FLOAT8_E4M3FN, NBIT_DATA_TYPE_FLOAT8_E5M2, NBIT_DATA_TYPE_FLOAT4_E2M1FN_X2};

struct ScaledRowsTable {
    FormatKernels<RaiseLargest> raise;
    FormatKernels<EncodeRow> encode[code_format_count];
    FormatKernels<DecodeRow> decode[code_format_count];
    TransposeBytes transpose;

    // For formats of the table.
    EncodeRow encoder(int32_t format, int32_t source_type) const noexcept;
    DecodeRow decoder(int32_t format, int32_t target_type) const noexcept;
};

namespace reference
{
extern const ScaledRowsTable scaled_rows; // one element at a time, by the definitions alone
}

namespace scalar
{
extern const ScaledRowsTable scaled_rows;
}
namespace avx2
{
extern const ScaledRowsTable scaled_rows;
}
namespace avx512
{
extern const ScaledRowsTable scaled_rows;
}
namespace avx512bf16
{
extern const ScaledRowsTable scaled_rows;
}

// The table of an instruction set that this machine has.
const ScaledRowsTable& scaled_rows_of(nbit_instruction_set which) noexcept;

} // namespace nbit
