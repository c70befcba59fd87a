// float8 for the AVX-512 kernels: 64 codes to and from a tile.
#pragma once
#include "cpu/common_avx512.h"
#include "cpu/float8_tables.h"

namespace nbit::NBIT_AVX512
{
namespace
{

// Picks one byte of each 32-bit lane of four vectors: 64 bytes in order by two permutes and a blend.
class BytePicker
{
public:
    explicit BytePicker(int byte) : index_(_mm512_add_epi8(_mm512_load_si512(lanes), _mm512_set1_epi8(byte))) {}

    __m512i operator()(__m512i a, __m512i b, __m512i c, __m512i d) const
    {
        return _mm512_mask_blend_epi64(0xf0, _mm512_permutex2var_epi8(a, index_, b),
                                       _mm512_permutex2var_epi8(c, index_, d));
    }

private:
    alignas(64) static constexpr uint8_t lanes[64] = {
        0,  4,  8,  12,  16,  20,  24,  28,  32,  36,  40, 44, 48, 52,  56,  60,  64,  68,  72,  76, 80, 84,
        88, 92, 96, 100, 104, 108, 112, 116, 120, 124, 0,  4,  8,  12,  16,  20,  24,  28,  32,  36, 40, 44,
        48, 52, 56, 60,  64,  68,  72,  76,  80,  84,  88, 92, 96, 100, 104, 108, 112, 116, 120, 124};
    __m512i index_;
};

// Rounds products as round_magnitude in conversions_scalar.h does, 64 at a time, and leaves the last subtraction to the
// bytes: modulo 256 the order does not matter. The sign comes straight from the inputs. A code of E2M1 is in the lower
// three bits, with its sign in the upper one, and NaN is 0x7f there, too.
template <SmallFloat Format> class Float8Encoder
{
public:
    explicit Float8Encoder(float scale)
        : factor_(_mm512_set1_ps(bits_float(float_bits(scale) & magnitude_mask))),
          factor_sign_(_mm512_set1_epi8(static_cast<char>(float_bits(scale) >> 24 & 0x80)))
    {
    }

    __m512i encode(const Tile& x) const
    {
        Tile product;
        for (int j = 0; j < 4; ++j)
            product.v[j] = _mm512_mul_ps(_mm512_abs_ps(x.v[j]), factor_);
        const __m512i magnitude = low_(biased_code(product.v[0]), biased_code(product.v[1]), biased_code(product.v[2]),
                                       biased_code(product.v[3]));
        const auto bits = [&](int j) { return _mm512_castps_si512(x.v[j]); };
        const __m512i sign = _mm512_xor_si512(high_(bits(0), bits(1), bits(2), bits(3)), factor_sign_);
        constexpr int select_by_third = 0xec; // (sign & 0x80) | magnitude, which is below 128
        const __m512i code =
            _mm512_ternarylogic_epi32(sign, _mm512_sub_epi8(magnitude, bias_), _mm512_set1_epi8(-128), select_by_third);
        const __mmask16 nan = _mm512_cmp_ps_mask(product.v[0], product.v[1], _CMP_UNORD_Q) |
                              _mm512_cmp_ps_mask(product.v[2], product.v[3], _CMP_UNORD_Q);
        return nan ? with_nan(code, product) : code;
    }

private:
    static constexpr int m = Format::mantissa_bits, shift = float_mantissa_bits - m;
    static constexpr int least_power = (exponent_bias + Format::least_exponent + shift) << float_mantissa_bits;

    __m512i biased_code(__m512 product) const // in byte 0; NaN gives anything
    {
        const __m512 magnitude = _mm512_min_ps(product, largest_);
        const __m512i power = _mm512_add_epi32(_mm512_and_si512(_mm512_castps_si512(magnitude), exponent_), step_);
        const __m512i clamped = _mm512_max_epi32(power, least_);
        const __m512i sum = _mm512_castps_si512(_mm512_add_ps(magnitude, _mm512_castsi512_ps(clamped)));
        return _mm512_add_epi32(sum, _mm512_srli_epi32(clamped, shift));
    }

    [[gnu::noinline]] static __m512i with_nan(__m512i code, const Tile& product)
    {
        __mmask64 nan = 0;
        for (int j = 3; j >= 0; --j)
            nan = nan << 16 | _mm512_cmp_ps_mask(product.v[j], product.v[j], _CMP_UNORD_Q);
        return _mm512_mask_mov_epi8(code, nan, _mm512_set1_epi8(0x7f));
    }

    __m512 factor_, largest_ = _mm512_set1_ps(Format::largest);
    __m512i factor_sign_, exponent_ = _mm512_set1_epi32(infinity_bits);
    __m512i step_ = _mm512_set1_epi32(shift << float_mantissa_bits), least_ = _mm512_set1_epi32(least_power);
    __m512i bias_ = _mm512_set1_epi8(static_cast<char>(least_power >> shift));
    BytePicker low_{0}, high_{3};
};

// Looks both nonzero bytes of a value up in 256 entries each: 8 registers, two permutes and a blend a byte.
template <Float8 Format> class Float8Decoder
{
public:
    Tile decode(__m512i codes) const // in element order
    {
        // The unpacks below work inside 128-bit lanes: a 4 x 4 transpose of the dwords makes up for it.
        const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        const __m512i index = _mm512_permutexvar_epi32(order, codes);
        const __mmask64 negative = _mm512_movepi8_mask(index);
        const __m512i byte2 = byte2_.find(index, negative), byte3 = byte3_.find(index, negative);
        const __m512i low = _mm512_unpacklo_epi8(byte2, byte3), high = _mm512_unpackhi_epi8(byte2, byte3);
        const __m512i zero = _mm512_setzero_si512();
        return {_mm512_castsi512_ps(_mm512_unpacklo_epi16(zero, low)),
                _mm512_castsi512_ps(_mm512_unpackhi_epi16(zero, low)),
                _mm512_castsi512_ps(_mm512_unpacklo_epi16(zero, high)),
                _mm512_castsi512_ps(_mm512_unpackhi_epi16(zero, high))};
    }

private:
    struct Plane {
        __m512i quarter[4];
        explicit Plane(const uint8_t* bytes)
            : quarter{_mm512_load_si512(bytes), _mm512_load_si512(bytes + 64), _mm512_load_si512(bytes + 128),
                      _mm512_load_si512(bytes + 192)}
        {
        }
        __m512i find(__m512i index, __mmask64 upper_half) const
        {
            return _mm512_mask_blend_epi8(upper_half, _mm512_permutex2var_epi8(quarter[0], index, quarter[1]),
                                          _mm512_permutex2var_epi8(quarter[2], index, quarter[3]));
        }
    };
    Plane byte2_{float8_planes<Format>.byte2}, byte3_{float8_planes<Format>.byte3};
};

} // namespace
} // namespace nbit::NBIT_AVX512
