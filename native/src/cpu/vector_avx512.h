// A vector of 16 numbers with AVX-512.
#pragma once
#include "cpu/absmax.h"
#include "cpu/common_avx512.h"

namespace nbit::NBIT_AVX512
{
namespace
{

struct Vector {
    using Mask = __mmask16;
    __m512 v;

    explicit Vector(float x) : v(_mm512_set1_ps(x)) {}
    explicit Vector(__m512 x) : v(x) {}
};

inline Vector operator+(const Vector& a, const Vector& b) { return Vector(_mm512_add_ps(a.v, b.v)); }
inline Vector operator-(const Vector& a, const Vector& b) { return Vector(_mm512_sub_ps(a.v, b.v)); }
inline Vector operator*(const Vector& a, const Vector& b) { return Vector(_mm512_mul_ps(a.v, b.v)); }
inline Vector operator/(const Vector& a, const Vector& b) { return Vector(_mm512_div_ps(a.v, b.v)); }
inline Vector square_root(const Vector& x) { return Vector(_mm512_sqrt_ps(x.v)); }
inline Vector select(__mmask16 condition, const Vector& a, const Vector& b)
{
    return Vector(_mm512_mask_mov_ps(b.v, condition, a.v));
}
// Of zeros and NaN, they themselves.
inline Vector sign(const Vector& x)
{
    const __m512 one = _mm512_or_ps(_mm512_and_ps(x.v, _mm512_set1_ps(-0.0f)), _mm512_set1_ps(1));
    return Vector(_mm512_mask_mov_ps(x.v, _mm512_cmp_ps_mask(x.v, _mm512_setzero_ps(), _CMP_NEQ_OQ), one));
}
// For absmax: of magnitudes, with NaN above all.
inline Vector larger_magnitude(const Vector& largest, const Vector& x)
{
    const __m512i magnitude = _mm512_and_si512(_mm512_castps_si512(x.v), _mm512_set1_epi32(magnitude_mask));
    return Vector(_mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(largest.v), magnitude)));
}
inline float absmax_of(const Vector& largest)
{
    return absmax_from_bits<float>(static_cast<uint32_t>(_mm512_reduce_max_epi32(_mm512_castps_si512(largest.v))));
}
inline __mmask16 is_finite(const Vector& x)
{
    constexpr int infinities_and_nan = 0x99;
    return static_cast<__mmask16>(~_mm512_fpclass_ps_mask(x.v, infinities_and_nan));
}
inline __mmask16 is_not_zero(const Vector& x) { return _mm512_cmp_ps_mask(x.v, _mm512_setzero_ps(), _CMP_NEQ_UQ); }

} // namespace
} // namespace nbit::NBIT_AVX512
