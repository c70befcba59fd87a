// A code of 256 numbers for 8-bit block quantization, with all that the kernels look up in it: prepared once.
#pragma once
#include "cpu/absmax.h"
#include "cpu/code_cells.h"
#include "cpu/code_lines.h"

namespace nbit
{

// 256 floats by bytes, for permutes that look bytes up: byte[b][i] is byte b of number i.
struct BytePlanes {
    alignas(64) uint8_t byte[4][256];

    explicit BytePlanes(const float* numbers) noexcept;
};

// The rule, as the CUDA kernels of bitsandbytes have it: a search of seven steps from entry 127, then one comparison
// with a midpoint. It gives the code nearest to the value; halfway between two, the one at which the search ended,
// which is the even one. `values` are 256 floats in rising order.
uint8_t nearest_code(const float* values, float scaled) noexcept;

// What becomes of negative numbers that are nearest to 0. States of optimizers keep their sign: the code below that of
// zero is theirs, as bitsandbytes' CUDA kernels have it.
enum class NegativeNumbers { nearest, keep_sign };

// The rule is monotone in the value, so that it is the number of thresholds below the value for 255 thresholds. They
// are found by bisection over all floats with the rule itself, which leaves no question about ties, rounded midpoints
// and equal entries.
struct alignas(64) CodeThresholds {
    float at[256]; // the last one is infinity

    CodeThresholds(const float* values, NegativeNumbers negative) noexcept;
};

struct alignas(64) Codebook8 {
    float value[256];
    CodeThresholds thresholds;
    uint8_t zero; // the code of 0
    BytePlanes value_planes;
    BytePlanes threshold_planes; // of the threshold below each code; -infinity for code 0
    CodeLines lines;
    CodeCells cells;

    // Of 256 numbers in rising order, at most 2^126 in magnitude. Needs the mode of base/float_environment.h.
    explicit Codebook8(const float* values, NegativeNumbers negative = NegativeNumbers::nearest) noexcept;
};

// bitsandbytes' create_dynamic_map(is_signed).
const float* dynamic_map(bool is_signed) noexcept;

namespace
{

// In a block whose absmax is infinite or NaN: any code times NaN is NaN; beside an infinity, which keeps its sign where
// the code has one, the code of zero stands for every finite element.
inline uint8_t special_code8(const Codebook8& book, float value, float absmax)
{
    if (std::isnan(absmax) || !std::isinf(value)) return book.zero;
    return value > 0 ? 255 : 0;
}

// The rule by its thresholds.
inline uint8_t count_below(const float (&thresholds)[256], float scaled)
{
    uint32_t below = 0;
    for (uint32_t step = 128; step > 0; step /= 2)
        below += thresholds[below + step - 1] < scaled ? step : 0;
    return static_cast<uint8_t>(below);
}

} // namespace

} // namespace nbit
