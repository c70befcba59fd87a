#include "cast_expectations.h"
#include "nbit/nbit.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace nbit::test
{

uint32_t FormatDefinition::largest_code() const
{
    const uint32_t highest_exponent = ((1u << exponent_bits) - 1) << mantissa_bits();
    return has_infinity ? highest_exponent - 1 : sign() - 2;
}

bool FormatDefinition::is_nan(uint32_t code) const
{
    return (code & (sign() - 1)) > (has_infinity ? infinity_code() : largest_code());
}

double FormatDefinition::value(uint32_t code) const
{
    const uint32_t magnitude = code & (sign() - 1), exponent = magnitude >> mantissa_bits();
    const double mantissa = magnitude & ((1u << mantissa_bits()) - 1);
    const int bias = (1 << (exponent_bits - 1)) - 1;
    double number = std::ldexp(mantissa, 1 - bias - mantissa_bits());
    if (exponent > 0)
        number = std::ldexp(mantissa + std::ldexp(1.0, mantissa_bits()),
                            static_cast<int>(exponent) - bias - mantissa_bits());
    if (has_infinity && magnitude == infinity_code()) number = std::numeric_limits<double>::infinity();
    return code & sign() ? -number : number;
}

FormatDefinition definition_of(int32_t data_type)
{
    switch (data_type) {
    case NBIT_DATA_TYPE_FLOAT16:
        return {16, 5, true, false};
    case NBIT_DATA_TYPE_BFLOAT16:
        return {16, 8, true, false};
    case NBIT_DATA_TYPE_FLOAT8_E4M3FN:
        return {8, 4, false, true};
    case NBIT_DATA_TYPE_FLOAT8_E5M2:
        return {8, 5, true, true};
    default:
        throw std::invalid_argument("no table of codes for this type");
    }
}

NearestCode::NearestCode(int32_t data_type) : format_(definition_of(data_type))
{
    const uint32_t largest = format_.largest_code();
    for (uint32_t code = 0; code < largest; ++code)
        midpoints_.push_back((format_.value(code) + format_.value(code + 1)) / 2);
    // As if the numbers went on
    midpoints_.push_back(format_.value(largest) + (format_.value(largest) - format_.value(largest - 1)) / 2);
}

uint32_t NearestCode::operator()(double value) const
{
    const double magnitude = std::fabs(value);
    const auto above = std::lower_bound(midpoints_.begin(), midpoints_.end(), magnitude);
    auto code = static_cast<uint32_t>(above - midpoints_.begin());
    if (above != midpoints_.end() && *above == magnitude && code % 2 != 0) ++code; // the even neighbour
    if (format_.saturates) code = std::min(code, format_.largest_code());
    return std::signbit(value) ? code | format_.sign() : code;
}

} // namespace nbit::test
