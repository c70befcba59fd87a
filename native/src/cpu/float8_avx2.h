// float8 for the AVX2 kernels: 32 codes to and from a tile.
#pragma once
#include "cpu/common_avx2.h"

namespace nbit::avx2
{
namespace
{

// Rounds products as round_magnitude in conversions_scalar.h does, 32 at a time, and leaves the last subtraction to the
// bytes: modulo 256 the order does not matter. The sign comes straight from the inputs: saturating packs keep it. A
// code of E2M1 is in the lower three bits, with its sign in the upper one, and NaN is 0x7f there, too.
template <SmallFloat Format> class Float8Encoder
{
public:
    explicit Float8Encoder(float scale)
        : factor_(_mm256_set1_ps(bits_float(float_bits(scale) & magnitude_mask))),
          factor_sign_(_mm256_set1_epi8(static_cast<char>(float_bits(scale) >> 24 & 0x80)))
    {
    }

    __m256i encode(const Tile& x) const
    {
        Tile product;
        for (int j = 0; j < 4; ++j)
            product.v[j] = _mm256_mul_ps(absolute(x.v[j]), factor_);
        const __m256i magnitude =
            _mm256_packus_epi16(_mm256_packus_epi32(biased_code(product.v[0]), biased_code(product.v[1])),
                                _mm256_packus_epi32(biased_code(product.v[2]), biased_code(product.v[3])));
        const auto bits = [&](int j) { return _mm256_castps_si256(x.v[j]); };
        const __m256i sign = _mm256_xor_si256(
            _mm256_packs_epi16(_mm256_packs_epi32(bits(0), bits(1)), _mm256_packs_epi32(bits(2), bits(3))),
            factor_sign_);
        __m256i code =
            _mm256_or_si256(_mm256_and_si256(sign, _mm256_set1_epi8(-128)), _mm256_sub_epi8(magnitude, bias_));
        const __m256 nan = _mm256_or_ps(_mm256_cmp_ps(product.v[0], product.v[1], _CMP_UNORD_Q),
                                        _mm256_cmp_ps(product.v[2], product.v[3], _CMP_UNORD_Q));
        if (_mm256_movemask_ps(nan)) code = with_nan(code, product);
        return in_order(code);
    }

private:
    static constexpr int m = Format::mantissa_bits, shift = float_mantissa_bits - m;
    static constexpr int least_power = (exponent_bias + Format::least_exponent + shift) << float_mantissa_bits;

    __m256i biased_code(__m256 product) const // modulo 256; NaN gives anything
    {
        const __m256 magnitude = _mm256_min_ps(product, largest_);
        const __m256i power = _mm256_add_epi32(_mm256_and_si256(_mm256_castps_si256(magnitude), exponent_), step_);
        const __m256i clamped = _mm256_max_epi32(power, least_);
        const __m256i sum = _mm256_castps_si256(_mm256_add_ps(magnitude, _mm256_castsi256_ps(clamped)));
        return _mm256_and_si256(_mm256_add_epi32(sum, _mm256_srli_epi32(clamped, shift)), _mm256_set1_epi32(0xff));
    }

    // Undoes the packs' order by lanes.
    static __m256i in_order(__m256i bytes)
    {
        return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    }

    [[gnu::noinline]] static __m256i with_nan(__m256i code, const Tile& product)
    {
        const auto nan = [&](int j) {
            return _mm256_castps_si256(_mm256_cmp_ps(product.v[j], product.v[j], _CMP_UNORD_Q));
        };
        const __m256i bytes =
            _mm256_packs_epi16(_mm256_packs_epi32(nan(0), nan(1)), _mm256_packs_epi32(nan(2), nan(3)));
        return _mm256_blendv_epi8(code, _mm256_set1_epi8(0x7f), bytes);
    }

    __m256 factor_, largest_ = _mm256_set1_ps(Format::largest);
    __m256i factor_sign_, exponent_ = _mm256_set1_epi32(infinity_bits);
    __m256i step_ = _mm256_set1_epi32(shift << float_mantissa_bits), least_ = _mm256_set1_epi32(least_power);
    __m256i bias_ = _mm256_set1_epi8(static_cast<char>(least_power >> shift));
};

// Decodes through float16, whose bits contain both formats: E5M2 is its upper half, E4M3 has an exponent bias that is
// smaller by 8.
template <Float8 Format> class Float8Decoder
{
public:
    Tile decode(__m256i codes) const // in element order
    {
        const __m256i low = half_bits(_mm256_cvtepu8_epi16(_mm256_castsi256_si128(codes)));
        const __m256i high = half_bits(_mm256_cvtepu8_epi16(_mm256_extracti128_si256(codes, 1)));
        return {widened(_mm256_castsi256_si128(low)), widened(_mm256_extracti128_si256(low, 1)),
                widened(_mm256_castsi256_si128(high)), widened(_mm256_extracti128_si256(high, 1))};
    }

private:
    static constexpr bool is_e4m3 = Format::mantissa_bits == 3;

    static __m256i half_bits(__m256i codes)
    {
        const __m256i magnitude = _mm256_and_si256(codes, _mm256_set1_epi16(0x7f));
        const __m256i sign = _mm256_slli_epi16(_mm256_xor_si256(codes, magnitude), 8);
        const __m256i nan = _mm256_cmpgt_epi16(magnitude, _mm256_set1_epi16(is_e4m3 ? 0x7e : 0x7c));
        const __m256i number = _mm256_slli_epi16(magnitude, is_e4m3 ? 7 : 8);
        return _mm256_or_si256(_mm256_blendv_epi8(number, _mm256_set1_epi16(0x7e00), nan), sign);
    }

    static __m256 widened(__m128i half)
    {
        const __m256 value = _mm256_cvtph_ps(half);
        return is_e4m3 ? _mm256_mul_ps(value, _mm256_set1_ps(256)) : value; // exact
    }
};

} // namespace
} // namespace nbit::avx2
