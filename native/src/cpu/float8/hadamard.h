// The random Hadamard transform of NVFP4's weight gradients.
#pragma once
#include "cpu/formats.h"

namespace nbit
{

inline constexpr int64_t hadamard_size = 16;

// Rows [16 g, 16 g + 16) of the source, as far as there are so many, and 0 after them, for columns [column, column +
// columns): target[c, 16 g .. 16 g + 15] = their transform. See nbit_hadamard_transform; no pointer needs alignment.
// Needs the mode of base/float_environment.h.
struct HadamardSource {
    const void* elements; // bfloat16, row-major
    int64_t rows, columns;
};
void transform_group(const HadamardSource& source, int64_t group, int64_t column, int64_t columns, void* target);

} // namespace nbit
