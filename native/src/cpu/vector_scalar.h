// A vector of one number, in portable C++.
#pragma once
#include "cpu/absmax.h"

#include <algorithm>

namespace nbit::scalar
{
namespace
{

struct Vector {
    using Mask = bool;
    float v;

    explicit Vector(float x) : v(x) {}
};

inline Vector operator+(const Vector& a, const Vector& b) { return Vector(a.v + b.v); }
inline Vector operator-(const Vector& a, const Vector& b) { return Vector(a.v - b.v); }
inline Vector operator*(const Vector& a, const Vector& b) { return Vector(a.v * b.v); }
inline Vector operator/(const Vector& a, const Vector& b) { return Vector(a.v / b.v); }
inline Vector square_root(const Vector& x) { return Vector(std::sqrt(x.v)); }
// Of zeros and NaN, they themselves.
inline Vector sign(const Vector& x) { return x.v > 0 ? Vector(1) : x.v < 0 ? Vector(-1) : x; }
inline bool is_finite(const Vector& x) { return (float_bits(x.v) & magnitude_mask) < infinity_bits; }
inline bool is_not_zero(const Vector& x) { return x.v != 0; } // NaN is not
// For absmax: of magnitudes, with NaN above all.
inline Vector larger_magnitude(const Vector& largest, const Vector& x)
{
    return Vector(bits_float(std::max(magnitude_bits(largest.v), magnitude_bits(x.v))));
}
inline float absmax_of(const Vector& largest) { return absmax_from_bits<float>(magnitude_bits(largest.v)); }
inline Vector select(bool condition, const Vector& a, const Vector& b) { return condition ? a : b; }

} // namespace
} // namespace nbit::scalar
