// Scales from amax, by the rules of Transformer Engine: functions on single numbers. They need the mode of
// base/float_environment.h.
#pragma once
#include "cpu/conversions_scalar.h"
#include "nbit/nbit.h"

#include <algorithm>

namespace nbit
{
namespace
{

constexpr float largest_float = std::numeric_limits<float>::max();

// The largest number of a float8 format.
constexpr float largest_of(int32_t format)
{
    return format == NBIT_DATA_TYPE_FLOAT8_E5M2 ? Float8E5M2::largest : Float8E4M3::largest;
}

// Of current and block scaling.
struct ScaleRule {
    float largest;     // number of the format
    bool power_of_two; // rounded down
    float epsilon;     // the least amax
    float if_infinite; // what an infinite quotient becomes

    float scale(float amax) const
    {
        if (amax < epsilon) amax = epsilon;
        if (!(amax > 0 && amax < infinity)) return 1;
        float scale = largest / amax;
        if (scale == infinity) scale = if_infinite;
        return power_of_two ? bits_float(float_bits(scale) & infinity_bits) : scale;
    }
};

// Towards +infinity, as Transformer Engine does; for numbers that are not negative.
inline Float8E8M0 e8m0_rounded_up(float value)
{
    constexpr uint32_t mantissa = 0x7fffff, half = 0x400000, most = 0xfe;
    if (std::isnan(value)) return {0xff};
    const uint32_t bits = float_bits(value), exponent = bits >> float_mantissa_bits, digits = bits & mantissa;
    const bool rises = exponent == 0 ? digits > half : digits > 0 && exponent < most;
    return {static_cast<uint8_t>(std::min(exponent + rises, most))};
}

// MXFP8's exponent of a block, and what its elements are multiplied by.
inline Float8E8M0 mxfp8_scale(float amax, float largest) { return e8m0_rounded_up(amax * (1 / largest)); }
inline float mxfp8_factor(Float8E8M0 scale)
{
    return to_float(Float8E8M0{static_cast<uint8_t>(2 * exponent_bias - scale.bits)});
}

// NVFP4: a float32 scale for the tensor, and E4M3 scales for blocks.
class Nvfp4Rule
{
public:
    explicit Nvfp4Rule(float amax)
    {
        float encode = std::fmin(most_product / amax, largest_float);
        if (amax == 0 || encode == 0) encode = 1;
        block_step_ = encode * (1 / Float4E2M1::largest);
        decode_ = 1 / encode;
    }
    Float8E4M3 scale(float block_amax) const
    {
        return scalar::narrow<Float8E4M3>(std::min(block_amax * block_step_, largest_float));
    }
    // What the elements of a block are multiplied by.
    float factor(Float8E4M3 scale) const { return std::min(1 / (scalar::widen(scale) * decode_), largest_float); }

    static constexpr float most_product = Float8E4M3::largest * Float4E2M1::largest;
    // What turns an E4M3 scale into that of its elements.
    static float decoded(Float8E4M3 scale, float amax) { return to_float(scale) * amax * (1 / most_product); }

private:
    float block_step_, decode_;
};

} // namespace
} // namespace nbit
