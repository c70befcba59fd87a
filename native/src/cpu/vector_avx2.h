// A vector of 8 numbers with AVX2.
#pragma once
#include "cpu/common_avx2.h"

namespace nbit::avx2
{
namespace
{

struct Vector {
    struct Mask {
        __m256 lanes;
    };
    __m256 v;

    explicit Vector(float x) : v(_mm256_set1_ps(x)) {}
    explicit Vector(__m256 x) : v(x) {}
};

inline Vector operator+(const Vector& a, const Vector& b) { return Vector(_mm256_add_ps(a.v, b.v)); }
inline Vector operator-(const Vector& a, const Vector& b) { return Vector(_mm256_sub_ps(a.v, b.v)); }
inline Vector operator*(const Vector& a, const Vector& b) { return Vector(_mm256_mul_ps(a.v, b.v)); }
inline Vector operator/(const Vector& a, const Vector& b) { return Vector(_mm256_div_ps(a.v, b.v)); }
inline Vector square_root(const Vector& x) { return Vector(_mm256_sqrt_ps(x.v)); }
inline Vector select(const Vector::Mask& condition, const Vector& a, const Vector& b)
{
    return Vector(_mm256_blendv_ps(b.v, a.v, condition.lanes));
}
// Of zeros and NaN, they themselves.
inline Vector sign(const Vector& x)
{
    const __m256 one = _mm256_or_ps(_mm256_and_ps(x.v, _mm256_set1_ps(-0.0f)), _mm256_set1_ps(1));
    return Vector(_mm256_blendv_ps(x.v, one, _mm256_cmp_ps(x.v, _mm256_setzero_ps(), _CMP_NEQ_OQ)));
}
inline Vector::Mask is_finite(const Vector& x)
{
    return {_mm256_cmp_ps(absolute(x.v), _mm256_set1_ps(infinity), _CMP_LT_OQ)};
}
inline Vector::Mask is_not_zero(const Vector& x) { return {_mm256_cmp_ps(x.v, _mm256_setzero_ps(), _CMP_NEQ_UQ)}; }

} // namespace
} // namespace nbit::avx2
