// Scaled matrices that the tests of their exports share.
#pragma once
#include "cpu/float8/scaled_matrix.h"
#include "inputs.h"

namespace nbit::test
{

inline constexpr nbit_scaling all_scalings[] = {
    NBIT_SCALING_TENSOR,       NBIT_SCALING_MXFP8_1X32,     NBIT_SCALING_MXFP8_32X1, NBIT_SCALING_MXFP8_32X32,
    NBIT_SCALING_FLOAT8_1X128, NBIT_SCALING_FLOAT8_128X128, NBIT_SCALING_NVFP4_1X16};
const char* name_of(nbit_scaling scaling);

// Which numbers the scales of blocks are.
enum class Scales { powers_of_two, any };

// Codes, scales and amax with their memory.
struct StoredMatrix {
    int32_t format, scaling;
    int64_t rows, columns;
    Bytes codes, scales;
    float amax;

    ScaledMatrix matrix() const { return {format, scaling, codes.data(), rows, columns, scales.data(), &amax}; }
};

// Codes of normally distributed numbers, and scales between 1/8 and 16. NVFP4 takes no notice of the format.
StoredMatrix random_matrix(int32_t scaling, int32_t format, int64_t rows, int64_t columns, Scales scales,
                           unsigned seed);

// The number of a code, which stands alone in its byte.
float number_of_code(int32_t format, uint8_t code);
// The code of an element.
uint8_t code_of_element(const ScaledMatrix& matrix, int64_t row, int64_t column);

} // namespace nbit::test
