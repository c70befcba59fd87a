// Scalar formats and the plain conversions that define them: every kernel gives these bits.
//
// The functions have internal linkage, here and in all headers of this folder: they are compiled for several
// instruction sets, and the linker must not let the copy made for the highest one serve the others.
#pragma once
#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>

namespace nbit
{

// IEEE 754 binary16.
struct Float16 {
    uint16_t bits;
};

// The upper half of a binary32.
struct BFloat16 {
    uint16_t bits;
};

// OCP 8-bit floating point (OFP8 1.0): no infinity, NaN is all ones below the sign.
struct Float8E4M3 {
    static constexpr int mantissa_bits = 3, least_exponent = -6;
    static constexpr float largest = 448;
    uint8_t bits;
};

// OCP 8-bit floating point (OFP8 1.0): the upper half of a binary16.
struct Float8E5M2 {
    static constexpr int mantissa_bits = 2, least_exponent = -14;
    static constexpr float largest = 57344;
    uint8_t bits;
};

// OCP MX 4-bit floating point (MX 1.0): no infinity, no NaN. In the lower half of a byte.
struct Float4E2M1 {
    static constexpr int mantissa_bits = 1, least_exponent = 0;
    static constexpr float largest = 6;
    uint8_t bits;
};

// OCP MX scale (MX 1.0): 2^(bits - 127), and NaN for 255.
struct Float8E8M0 {
    uint8_t bits;
};

template <class T>
concept Float8 = std::same_as<T, Float8E4M3> || std::same_as<T, Float8E5M2>;
// Formats whose codes fit a byte and saturate.
template <class T>
concept SmallFloat = Float8<T> || std::same_as<T, Float4E2M1>;

inline constexpr uint32_t sign_bit = 0x80000000, magnitude_mask = 0x7fffffff;
inline constexpr uint32_t infinity_bits = 0x7f800000, quiet_bit = 0x400000;
inline constexpr float infinity = std::numeric_limits<float>::infinity();
inline constexpr int exponent_bias = 127, float_mantissa_bits = 23;

namespace
{

constexpr uint32_t float_bits(float value) { return std::bit_cast<uint32_t>(value); }
constexpr float bits_float(uint32_t bits) { return std::bit_cast<float>(bits); }
constexpr float power_of_two(int exponent)
{
    return bits_float(static_cast<uint32_t>(exponent_bias + exponent) << float_mantissa_bits);
}

constexpr float to_float(float value) { return value; }

constexpr float to_float(BFloat16 value) { return bits_float(static_cast<uint32_t>(value.bits) << 16); }

constexpr float to_float(Float16 value) // a signalling NaN becomes quiet
{
    const uint32_t sign = static_cast<uint32_t>(value.bits & 0x8000) << 16;
    const uint32_t exponent = value.bits >> 10 & 31, mantissa = value.bits & 0x3ff;
    if (exponent == 31) return bits_float(sign | infinity_bits | mantissa << 13 | (mantissa ? quiet_bit : 0));
    if (exponent != 0) return bits_float(sign | (exponent + exponent_bias - 15) << 23 | mantissa << 13);
    return bits_float(sign | float_bits(static_cast<float>(mantissa) * power_of_two(-24)));
}

template <Float8 Format> constexpr float to_float(Format value) // every NaN gives the same quiet one, with its sign
{
    constexpr int m = Format::mantissa_bits;
    constexpr uint32_t codes = 1u << m; // with one exponent
    const uint32_t magnitude = value.bits & 0x7f, sign = static_cast<uint32_t>(value.bits & 0x80) << 24;
    const uint32_t exponent = magnitude >> m, mantissa = magnitude & (codes - 1);
    constexpr uint32_t infinity = m == 2 ? 0x7c : 0x80, first_nan = m == 2 ? 0x7d : 0x7f;
    if (magnitude >= first_nan) return bits_float(sign | infinity_bits | quiet_bit);
    if (magnitude == infinity) return bits_float(sign | infinity_bits);
    const uint32_t digits = exponent ? mantissa + codes : mantissa;
    const int unit = Format::least_exponent - m + (exponent ? static_cast<int>(exponent) - 1 : 0);
    return bits_float(sign | float_bits(static_cast<float>(digits) * power_of_two(unit)));
}

constexpr float to_float(Float4E2M1 value)
{
    constexpr float magnitudes[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
    const float magnitude = magnitudes[value.bits & 7];
    return value.bits & 8 ? -magnitude : magnitude;
}

constexpr float to_float(Float8E8M0 value)
{
    if (value.bits == 0xff) return std::numeric_limits<float>::quiet_NaN();
    return value.bits == 0 ? power_of_two(-126) * 0.5f : power_of_two(value.bits - exponent_bias);
}

// All round to nearest, ties to even.
template <class T> T from_float(float value);

template <> inline float from_float<float>(float value) { return value; }

template <> inline BFloat16 from_float<BFloat16>(float value) // NaN: quiet, the payload's upper bits kept
{
    const uint32_t bits = float_bits(value);
    if ((bits & magnitude_mask) > infinity_bits) return {static_cast<uint16_t>((bits | quiet_bit) >> 16)};
    return {static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

template <> inline Float16 from_float<Float16>(float value) // overflows to infinity; NaN as above
{
    const uint32_t bits = float_bits(value), magnitude = bits & magnitude_mask, sign = bits >> 16 & 0x8000;
    if (magnitude > infinity_bits) return {static_cast<uint16_t>(sign | 0x7e00 | (magnitude >> 13 & 0x3ff))};
    if (magnitude < float_bits(power_of_two(-14))) { // the sum with 0.5 is rounded to multiples of 2^-24
        const uint32_t sum = float_bits(bits_float(magnitude) + 0.5f);
        return {static_cast<uint16_t>(sign | (sum - float_bits(0.5f)))};
    }
    const uint32_t rounded = (magnitude + 0xfff + (magnitude >> 13 & 1) - (112u << 23)) >> 13;
    return {static_cast<uint16_t>(sign | (rounded > 0x7c00 ? 0x7c00 : rounded))};
}

// The code of a magnitude that is not NaN; saturates, infinities too.
template <SmallFloat Format> uint32_t magnitude_code(float value)
{
    constexpr int m = Format::mantissa_bits, least = Format::least_exponent;
    const float magnitude = std::fmin(std::fabs(value), Format::largest);
    int exponent = static_cast<int>(float_bits(magnitude) >> float_mantissa_bits) - exponent_bias;
    if (exponent < least) exponent = least;
    // The product is exact; a carry of the rounding moves into the code's exponent by itself.
    const float steps = std::rint(magnitude * power_of_two(m - exponent));
    return static_cast<uint32_t>(((exponent - least) << m) + static_cast<int>(steps));
}

template <Float8 Format> Format from_float(float value) // saturates; NaN is 0x7f
{
    if (std::isnan(value)) return {0x7f};
    return {static_cast<uint8_t>((std::signbit(value) ? 0x80 : 0) | magnitude_code<Format>(value))};
}

template <> inline Float4E2M1 from_float<Float4E2M1>(float value) // saturates; NaN is 7, which stands for 6
{
    if (std::isnan(value)) return {7};
    return {static_cast<uint8_t>((std::signbit(value) ? 8 : 0) | magnitude_code<Float4E2M1>(value))};
}

} // namespace

} // namespace nbit
