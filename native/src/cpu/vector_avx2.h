// A vector of 8 numbers with AVX2.
#pragma once
#include "cpu/absmax.h"
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
// For absmax: of magnitudes, with NaN above all.
inline Vector larger_magnitude(const Vector& largest, const Vector& x)
{
    const __m256i magnitude = _mm256_castps_si256(absolute(x.v));
    return Vector(_mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(largest.v), magnitude)));
}
inline float absmax_of(const Vector& largest)
{
    const __m256i bits = _mm256_castps_si256(largest.v);
    __m128i most = _mm_max_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
    most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4e));
    most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0xb1));
    return absmax_from_bits<float>(static_cast<uint32_t>(_mm_cvtsi128_si32(most)));
}
inline Vector::Mask is_finite(const Vector& x)
{
    return {_mm256_cmp_ps(absolute(x.v), _mm256_set1_ps(infinity), _CMP_LT_OQ)};
}
inline Vector::Mask is_not_zero(const Vector& x) { return {_mm256_cmp_ps(x.v, _mm256_setzero_ps(), _CMP_NEQ_UQ)}; }

} // namespace
} // namespace nbit::avx2
