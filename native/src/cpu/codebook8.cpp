#include "cpu/codebook8.h"
#include "cpu/dynamic_maps.h"

#include <algorithm>

namespace nbit
{
namespace
{

// Integers in the order of the floats: bisection runs over them.
int64_t ordered(float x)
{
    const auto bits = std::bit_cast<int32_t>(x);
    return bits < 0 ? int64_t{INT32_MIN} - bits : bits;
}
float from_ordered(int64_t position)
{
    return std::bit_cast<float>(static_cast<int32_t>(position < 0 ? INT32_MIN - position : position));
}

// The largest float whose code is at most this one.
float last_float(const float* values, int code)
{
    int64_t inside = ordered(-std::numeric_limits<float>::max()), outside = ordered(infinity);
    while (outside - inside > 1) {
        const int64_t middle = (inside + outside) >> 1;
        (nearest_code(values, from_ordered(middle)) <= code ? inside : outside) = middle;
    }
    return from_ordered(inside);
}

struct Floats256 {
    float at[256];
};

Floats256 threshold_below_each_code(const CodeThresholds& thresholds)
{
    Floats256 below;
    below.at[0] = -infinity;
    std::copy_n(thresholds.at, 255, below.at + 1);
    return below;
}

} // namespace

uint8_t nearest_code(const float* values, float scaled) noexcept
{
    int pivot = 127, below = 0, above = 255;
    for (int step = 64; step > 0; step /= 2) {
        if (scaled > values[pivot]) {
            below = pivot;
            pivot += step;
        } else {
            above = pivot;
            pivot -= step;
        }
    }
    if (scaled > values[pivot])
        return static_cast<uint8_t>(scaled > (values[above] + values[pivot]) * 0.5f ? above : pivot);
    return static_cast<uint8_t>(scaled < (values[below] + values[pivot]) * 0.5f ? below : pivot);
}

CodeThresholds::CodeThresholds(const float* values, NegativeNumbers negative) noexcept
{
    for (int code = 0; code < 255; ++code)
        at[code] = last_float(values, code);
    at[255] = infinity;
    const int zero = nearest_code(values, 0);
    if (negative == NegativeNumbers::keep_sign && zero > 0) at[zero - 1] = -std::numeric_limits<float>::denorm_min();
}

BytePlanes::BytePlanes(const float* numbers) noexcept
{
    for (int i = 0; i < 256; ++i)
        for (int b = 0; b < 4; ++b)
            byte[b][i] = static_cast<uint8_t>(float_bits(numbers[i]) >> (8 * b));
}

Codebook8::Codebook8(const float* values, NegativeNumbers negative) noexcept
    : thresholds(values, negative), zero(nearest_code(values, 0)), value_planes(values),
      threshold_planes(threshold_below_each_code(thresholds).at), lines(values, thresholds.at), cells(thresholds.at)
{
    std::copy_n(values, 256, value);
}

const float* dynamic_map(bool is_signed) noexcept
{
    static constexpr auto floats_of = [](const uint32_t(&bits)[256]) {
        Floats256 floats{};
        for (int i = 0; i < 256; ++i)
            floats.at[i] = bits_float(bits[i]);
        return floats;
    };
    static constexpr Floats256 signed_map = floats_of(dynamic_signed_bits);
    static constexpr Floats256 unsigned_map = floats_of(dynamic_unsigned_bits);
    return is_signed ? signed_map.at : unsigned_map.at;
}

} // namespace nbit
