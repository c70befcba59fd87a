#include "cpu/code_cells.h"

#include <algorithm>

namespace nbit
{

CodeCells::CodeCells(const float (&thresholds)[256]) noexcept : hold_one_threshold(true), lowest_code{}
{
    const auto below = [&](float x) {
        return std::lower_bound(thresholds, thresholds + 255, x) - thresholds; // the number that is less than x
    };
    for (uint32_t cell = 0; cell < of_a_sign; ++cell) {
        const uint32_t first = least + (cell << shift), last = first + (1u << shift) - 1;
        const float least_magnitude = cell ? bits_float(first) : 0, most_magnitude = bits_float(last);
        for (const bool negative : {false, true}) {
            const auto lowest = below(negative ? -most_magnitude : least_magnitude);
            const auto highest = below(negative ? -least_magnitude : most_magnitude);
            lowest_code[negative ? cell + of_a_sign : cell] = static_cast<uint8_t>(lowest);
            hold_one_threshold = hold_one_threshold && highest - lowest <= 1;
        }
    }
}

} // namespace nbit
