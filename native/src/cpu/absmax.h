// absmax, the largest magnitude of a block or row, and what quantizers make of it.
#pragma once
#include "cpu/elements.h"
#include "cpu/formats.h"

namespace nbit
{
namespace
{

// The least divisor of a block: with a smaller one, a denormal, the reciprocal would be infinite.
constexpr float least_divisor = 1e-38f;

inline float block_reciprocal(float absmax) { return 1.0f / (absmax > least_divisor ? absmax : least_divisor); }

// Infinite or NaN: such a block is not scaled.
inline bool is_special(float absmax) { return !(absmax < infinity); }

// The bits below the sign, in an integer of the element's size. Their order is the order of the magnitudes, with NaN
// above all.
inline uint32_t magnitude_bits(float value) { return float_bits(value) & magnitude_mask; }
template <class T> inline uint16_t magnitude_bits(T value) { return static_cast<uint16_t>(value.bits & 0x7fff); }

// absmax from the largest of those bits. NaN wins, and every NaN gives the same one.
template <class T> inline float absmax_from_bits(uint32_t largest)
{
    const float absmax = to_float(std::bit_cast<T>(static_cast<decltype(magnitude_bits(T{}))>(largest)));
    return std::isnan(absmax) ? std::numeric_limits<float>::quiet_NaN() : absmax;
}

template <class T> inline float absmax_of_elements(const void* source, int64_t count)
{
    uint32_t largest = 0;
    for (int64_t i = 0; i < count; ++i) {
        const uint32_t bits = magnitude_bits(load_element<T>(source, i));
        largest = bits > largest ? bits : largest;
    }
    return absmax_from_bits<T>(largest);
}

} // namespace
} // namespace nbit
