#include "cpu/float8/hadamard.h"
#include "cpu/elements.h"

#include <algorithm>

namespace nbit
{
namespace
{

// Transformer Engine's fixed signs for weight gradients.
constexpr float signs[hadamard_size] = {1, 1, 1, -1, 1, -1, -1, -1, -1, -1, -1, 1, -1, 1, -1, -1};
constexpr float norm = 0.25f; // 1 / sqrt(16)
constexpr int64_t width = 64; // columns at once, so that they are vectors

// rows[i][c] and rows[i + step][c] become their sum and difference.
void butterflies(float (*rows)[width], int64_t step)
{
    for (int64_t i = 0; i < hadamard_size; ++i) {
        if (i & step) continue;
        for (int64_t c = 0; c < width; ++c) {
            const float a = rows[i][c], b = rows[i + step][c];
            rows[i][c] = a + b;
            rows[i + step][c] = a - b;
        }
    }
}

} // namespace

void transform_group(const HadamardSource& source, int64_t group, int64_t column, int64_t columns, void* target)
{
    const int64_t first = group * hadamard_size, height = std::min(hadamard_size, source.rows - first);
    const int64_t target_columns = (source.rows + hadamard_size - 1) / hadamard_size * hadamard_size;
    for (int64_t c0 = column; c0 < column + columns; c0 += width) {
        const int64_t count = std::min(width, column + columns - c0);
        float rows[hadamard_size][width] = {};
        for (int64_t i = 0; i < height; ++i)
            for (int64_t c = 0; c < count; ++c)
                rows[i][c] =
                    signs[i] * to_float(load_element<BFloat16>(source.elements, (first + i) * source.columns + c0 + c));
        for (int64_t step = 1; step < hadamard_size; step *= 2)
            butterflies(rows, step);
        for (int64_t c = 0; c < count; ++c)
            for (int64_t i = 0; i < hadamard_size; ++i)
                store_element(target, (c0 + c) * target_columns + first + i, from_float<BFloat16>(rows[i][c] * norm));
    }
}

} // namespace nbit
