// A 4-bit weight as bitsandbytes stores it. Products read these bytes directly and keep no second copy of them.
#pragma once
#include "cpu/block_scales.h"

namespace nbit
{

// [rows, columns] (out_features, in_features), flattened row-major and cut into blocks of `blocksize` elements, a power
// of two from 32. Two codes a byte, the even element in the upper half. A block may span rows, and a row may begin at
// an odd element.
struct Weight4 {
    const uint8_t* packed;
    int64_t rows, columns, blocksize;
    const float* table; // the 16 numbers of the code
    BlockScales scales;

    // Rows begin a byte, and no 32 elements from the begin of a row belong to two blocks.
    bool is_regular() const { return columns % 32 == 0; }
};

namespace
{

inline int code_of_element(const Weight4& weight, int64_t element)
{
    const int pair = weight.packed[element / 2];
    return element % 2 == 0 ? pair >> 4 : pair & 15;
}

} // namespace

} // namespace nbit
