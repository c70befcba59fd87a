// What each float8 code stands for, as tables made at compile time: a short call must not pay for them.
#pragma once
#include "cpu/formats.h"

namespace nbit
{
namespace
{

template <Float8 Format> struct Float8Values {
    float value[256] = {};
    consteval Float8Values()
    {
        for (int code = 0; code < 256; ++code)
            value[code] = to_float(Format{static_cast<uint8_t>(code)});
    }
};
template <Float8 Format> constexpr Float8Values<Format> float8_values;

// Bytes 2 and 3 of the float32 values; bytes 0 and 1 are zero for every code.
template <Float8 Format> struct Float8Planes {
    alignas(64) uint8_t byte2[256] = {};
    alignas(64) uint8_t byte3[256] = {};
    consteval Float8Planes()
    {
        for (int code = 0; code < 256; ++code) {
            const uint32_t bits = float_bits(to_float(Format{static_cast<uint8_t>(code)}));
            byte2[code] = static_cast<uint8_t>(bits >> 16);
            byte3[code] = static_cast<uint8_t>(bits >> 24);
        }
    }
};
template <Float8 Format> constexpr Float8Planes<Format> float8_planes;

} // namespace
} // namespace nbit
