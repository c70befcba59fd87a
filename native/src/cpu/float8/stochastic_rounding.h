// Stochastic rounding to 4 bits, for gradients in NVFP4.
#pragma once
#include "cpu/formats.h"
#include "cpu/random_bits.h"

#include <algorithm>

namespace nbit
{
namespace
{

// One of the two neighbours, the upper one with the probability of what the lower one is short of, to 24 bits; NaN and
// numbers outside the format as from_float has it.
inline Float4E2M1 rounded_stochastically_to_4_bits(float value, uint64_t seed, int64_t index)
{
    constexpr int m = Float4E2M1::mantissa_bits, least = Float4E2M1::least_exponent;
    if (std::isnan(value)) return from_float<Float4E2M1>(value);
    const float magnitude = std::fmin(std::fabs(value), Float4E2M1::largest);
    const int exponent =
        std::max(static_cast<int>(float_bits(magnitude) >> float_mantissa_bits) - exponent_bias, least);
    const float steps = magnitude * power_of_two(m - exponent), whole = std::floor(steps);
    const float random = static_cast<float>(random_bits(seed, index) >> 40) * 0x1p-24f;
    const int digits = static_cast<int>(whole) + (random < steps - whole);
    return {static_cast<uint8_t>((std::signbit(value) ? 8 : 0) | (((exponent - least) << m) + digits))};
}

} // namespace
} // namespace nbit
