// Conversions in portable C++ without branches, so that compilers turn most loops over them into vectors.
#pragma once
#include "cpu/float8_tables.h"
#include "cpu/formats.h"

namespace nbit::scalar
{
namespace
{

// a where the condition holds, else b. By masks, because a compiler may not compute in advance what a branch guards.
inline uint32_t select(bool condition, uint32_t a, uint32_t b)
{
    const uint32_t mask = -static_cast<uint32_t>(condition);
    return (a & mask) | (b & ~mask);
}

// For bits of floats that are not negative, in signed comparisons: the baseline's vectors have no others.
inline uint32_t smaller(uint32_t a, uint32_t b) { return static_cast<int32_t>(a) < static_cast<int32_t>(b) ? a : b; }
inline uint32_t larger(uint32_t a, uint32_t b) { return static_cast<int32_t>(a) < static_cast<int32_t>(b) ? b : a; }
inline bool is_nan(uint32_t magnitude) { return static_cast<int32_t>(magnitude) > static_cast<int32_t>(infinity_bits); }

inline float widen(float value) { return value; }

inline float widen(BFloat16 value) { return to_float(value); }

inline float widen(Float16 value)
{
    constexpr uint32_t rebias = static_cast<uint32_t>(exponent_bias - 15) << float_mantissa_bits;
    const uint32_t sign = static_cast<uint32_t>(value.bits & 0x8000) << 16;
    const uint32_t magnitude = static_cast<uint32_t>(value.bits & 0x7fff) << 13, exponent = magnitude & 0x0f800000;
    // 2^-14 plus a denormal is exact and has its digits in the lower bits
    const float least = power_of_two(-14);
    const uint32_t denormal = float_bits(bits_float(float_bits(least) | (magnitude & 0x7fffff)) - least);
    const uint32_t normal = magnitude + rebias, special = magnitude | infinity_bits; // NaN becomes quiet by the product
    const uint32_t number = select(exponent == 0, denormal, normal);
    return bits_float(sign | select(exponent == 0x0f800000, special, number));
}

template <Float8 Format> float widen(Format value) { return float8_values<Format>.value[value.bits]; }

// Rounds to m mantissa bits with gradual underflow: for a in [2^e, 2^(e+1)), e clamped from below at the least
// exponent, the sum with 2^(e + 23 - m) is rounded to multiples of 2^(e-m), ties to even, by the adder. Its lower bits
// are a / 2^(e-m); the code is that number plus 2^m (e - least): a carry moves into the exponent by itself, and
// denormals need no branch. The second term is in the exponent of the power of two that was added.
template <int m, int least> uint32_t round_magnitude(uint32_t magnitude)
{
    constexpr int shift = float_mantissa_bits - m;
    constexpr uint32_t step = static_cast<uint32_t>(shift) << float_mantissa_bits;
    constexpr uint32_t least_power = static_cast<uint32_t>(exponent_bias + least + shift) << float_mantissa_bits;
    const uint32_t power = larger((magnitude & infinity_bits) + step, least_power);
    const uint32_t sum = float_bits(bits_float(magnitude) + bits_float(power));
    return sum + (power >> shift) - (least_power >> shift);
}

template <class T> T narrow(float value);

template <> inline float narrow<float>(float value) { return value; }

template <> inline BFloat16 narrow<BFloat16>(float value)
{
    const uint32_t bits = float_bits(value), rounded = bits + 0x7fff + (bits >> 16 & 1);
    return {static_cast<uint16_t>(select(is_nan(bits & magnitude_mask), bits | quiet_bit, rounded) >> 16)};
}

template <> inline Float16 narrow<Float16>(float value)
{
    const uint32_t bits = float_bits(value), magnitude = bits & magnitude_mask;
    const uint32_t infinity = float_bits(power_of_two(16)); // whose code is infinity's
    const uint32_t rounded = round_magnitude<10, -14>(smaller(magnitude, infinity)) & 0x7fff;
    const uint32_t quiet = 0x7e00 | (magnitude >> 13 & 0x3ff);
    return {static_cast<uint16_t>((bits >> 16 & 0x8000) | select(is_nan(magnitude), quiet, rounded))};
}

template <Float8 Format> Format narrow(float value)
{
    const uint32_t bits = float_bits(value), magnitude = bits & magnitude_mask;
    const uint32_t saturated = smaller(magnitude, float_bits(Format::largest));
    const uint32_t rounded = round_magnitude<Format::mantissa_bits, Format::least_exponent>(saturated) & 0x7f;
    return {static_cast<uint8_t>(select(is_nan(magnitude), 0x7f, (bits >> 24 & 0x80) | rounded))};
}

} // namespace
} // namespace nbit::scalar
