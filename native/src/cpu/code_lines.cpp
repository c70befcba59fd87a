#include "cpu/code_lines.h"
#include "cpu/codebook8.h"

#include <initializer_list>

namespace nbit
{
namespace
{

// The sign bit of a float moves 2^31 * decade_slope decades. With this many octaves a decade that is 78, or -14 modulo
// 32: one table of 32 lines serves both signs.
constexpr double signed_octaves = 256.0 / 78, unsigned_octaves = 3.30;
constexpr int mirrored = 18; // -14 modulo 32
constexpr int decades = 7;
constexpr float two_to_15 = 32768;

} // namespace

CodeLines::CodeLines(const float* values, const float (&thresholds)[256]) noexcept
    : is_signed(values[0] < 0), smallest(1.5e-7f)
{
    const double octaves = is_signed ? signed_octaves : unsigned_octaves;
    const double border = is_signed ? -3.425 : -3.412; // between the two highest decades, in octaves below 1
    decade_slope = static_cast<float>(1 / (octaves * (1 << float_mantissa_bits)));
    decade_offset = static_cast<float>(32 + decades - 1.5 - (exponent_bias + border) / octaves);
    draw();
    fit = are_right_everywhere(thresholds);
}

// Decade i of a map has 2^i numbers of each sign, an unsigned one twice as many, between 10^(i-7) and 10^(i-6).
void CodeLines::draw() noexcept
{
    for (int d = 0; d < 32; ++d) {
        slope[d] = 0;
        offset[d] = two_to_15;
    }
    double top = 1e-6;
    for (int i = 0; i < decades; ++i, top *= 10) {
        const int numbers = is_signed ? 1 << i : 2 << i, first_code = is_signed ? 127 + numbers : numbers - 1;
        const double gap = 0.9 * top / numbers, first = 0.1 * top + gap / 2;
        const double code_of_zero = first_code + 1 - first / gap; // on this line
        const int last = i == decades - 1 ? i + 1 : i;            // beyond 1 the highest one goes on
        for (int d = i; d <= last; ++d) {
            slope[d] = static_cast<float>(1 / gap);
            offset[d] = static_cast<float>(two_to_15 + code_of_zero);
            if (!is_signed) continue;
            slope[d + mirrored] = slope[d];
            offset[d + mirrored] = static_cast<float>(two_to_15 + 256 - code_of_zero);
        }
    }
}

float CodeLines::raised(float scaled) const noexcept
{
    if (!is_signed) return scaled > smallest ? scaled : smallest;
    return std::fabs(scaled) > smallest ? scaled : std::copysign(smallest, scaled);
}

int CodeLines::decade(float x) const noexcept
{
    const auto logarithm = static_cast<float>(std::bit_cast<int32_t>(x));
    return static_cast<int>(std::nearbyint(std::fma(logarithm, decade_slope, decade_offset))) & 31;
}

int CodeLines::candidate(float scaled) const noexcept
{
    const float x = raised(scaled);
    const int d = decade(x);
    return static_cast<int>(float_bits(std::fma(x, slope[d], offset[d])) >> 8 & 0xff);
}

bool CodeLines::are_right(float scaled, const float (&thresholds)[256]) const noexcept
{
    const int found = candidate(scaled);
    const float below = found ? thresholds[found - 1] : -infinity;
    return (below < scaled ? found : found - 1) == count_below(thresholds, scaled);
}

// The candidate is monotone inside a decade, and so is the code: what is right at both ends of an interval of floats
// that lie in one decade and have one code is right inside it. So it is enough to look at both sides of every threshold
// and of every border between decades, at the ends and at the zeros.
bool CodeLines::are_right_everywhere(const float (&thresholds)[256]) const noexcept
{
    const auto right = [&](float x) { return are_right(x, thresholds); };
    const float beyond_one = std::nextafter(1.0f, 2.0f); // a product may be that large
    if (!right(0.0f) || !right(-0.0f) || !right(beyond_one) || !right(-beyond_one)) return false;
    for (int i = 0; i < 255; ++i) {
        const float above = std::nextafter(thresholds[i], infinity);
        if (std::fabs(thresholds[i]) <= 1 && (!right(thresholds[i]) || !right(above))) return false;
    }
    for (const uint32_t sign : {0u, sign_bit}) {
        uint32_t inside = float_bits(smallest) | sign;
        const uint32_t end = float_bits(beyond_one) | sign;
        while (decade(raised(bits_float(inside))) != decade(raised(bits_float(end)))) {
            uint32_t outside = end;
            for (const int here = decade(raised(bits_float(inside))); outside - inside > 1;) {
                const uint32_t middle = inside + (outside - inside) / 2;
                (decade(raised(bits_float(middle))) == here ? inside : outside) = middle;
            }
            if (!right(bits_float(inside)) || !right(bits_float(outside))) return false;
            inside = outside;
        }
    }
    return true;
}

} // namespace nbit
