#pragma once
#include <cstdint>

namespace nbit
{

// Part of a matrix: a few rows and columns of it, `stride` elements from row to row.
struct MatrixPart {
    int64_t rows, columns, stride;
};

} // namespace nbit
