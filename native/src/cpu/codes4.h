// The 4-bit codes of bitsandbytes: their tables, and the rule that turns a value in [-1, 1] into a code.
#pragma once
#include "cpu/absmax.h"
#include "nbit/nbit.h"

#include <array>

namespace nbit
{
namespace
{

// NormalFloat4 of QLoRA (Dettmers et al. 2023): quantiles of the normal distribution, zero among them. The nearest
// code; halfway, the lower one.
struct Nf4 {
    static constexpr uint8_t zero = 7, lowest = 0, highest = 15;
    static constexpr std::array<float, 16> table = {
        -1.0f,
        -0.6961928009986877f,
        -0.5250730514526367f,
        -0.39491748809814453f,
        -0.28444138169288635f,
        -0.18477343022823334f,
        -0.09105003625154495f,
        0.0f,
        0.07958029955625534f,
        0.16093020141124725f,
        0.24611230194568634f,
        0.33791524171829224f,
        0.44070982933044434f,
        0.5626170039176941f,
        0.7229568362236023f,
        1.0f,
    };
    // The float32 midpoints. The CUDA kernels spell them as decimals of 16 digits, four of which a compiler rounds to
    // the float beside the midpoint: only a value that equals one of these floats gets another code there.
    static constexpr std::array<float, 15> thresholds = [] {
        std::array<float, 15> midpoints{};
        for (size_t i = 0; i < midpoints.size(); ++i)
            midpoints[i] = (table[i] + table[i + 1]) * 0.5f;
        return midpoints;
    }();

    static uint8_t encode(float scaled)
    {
        int below = 0;
        for (const float threshold : thresholds)
            below += threshold < scaled;
        return static_cast<uint8_t>(below);
    }
};

// The 4-bit floating point of bitsandbytes: a sign bit over 8 magnitudes that are not in order. The nearest magnitude;
// halfway, the smaller one. A negative value keeps its sign even where the magnitude becomes 0.
struct Fp4 {
    static constexpr uint8_t zero = 0, lowest = 11, highest = 3, sign = 8;
    static constexpr std::array<float, 16> table = {
        0.0f, 0.0625f / 12,  8.0f / 12,  1.0f,  4.0f / 12,  0.5f,  2.0f / 12,  0.25f,
        0.0f, -0.0625f / 12, -8.0f / 12, -1.0f, -4.0f / 12, -0.5f, -2.0f / 12, -0.25f,
    };
    // Between magnitudes in rising order, as the CUDA kernels spell them; not all are the float nearest the midpoint.
    static constexpr std::array<float, 7> thresholds = {0.00260417f, 0.0859375f, 0.20833333f, 0.29166667f,
                                                        0.4166667f,  0.583333f,  0.8333333f};
    static constexpr std::array<uint8_t, 8> code_of_rank = {0, 1, 6, 7, 4, 5, 2, 3};

    static uint8_t encode(float scaled)
    {
        size_t rank = 0;
        for (const float threshold : thresholds)
            rank += threshold < std::fabs(scaled);
        return static_cast<uint8_t>(code_of_rank[rank] | (scaled < 0 ? sign : 0));
    }
};

// In a block whose absmax is infinite or NaN. NaN makes the whole block NaN, whatever the codes; beside an infinity,
// which keeps its sign, the code of zero stands for every finite element.
template <class Code> inline uint8_t special_code4(float value, float absmax)
{
    if (std::isnan(absmax)) return Code::highest;
    return !std::isinf(value) ? Code::zero : value > 0 ? Code::highest : Code::lowest;
}

} // namespace
} // namespace nbit
