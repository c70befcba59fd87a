// The formats once more, from their published definitions and in double, so that the tests do not rest on the code
// that they test.
#pragma once
#include <cstdint>
#include <vector>

namespace nbit::test
{

// A binary format with gradual underflow: the sign in the highest bit, then the exponent, then the mantissa.
struct FormatDefinition {
    int bits, exponent_bits;
    bool has_infinity; // false: only the highest code is NaN, the other codes of the highest exponent are numbers
    bool saturates;    // where a cast overflows: to the largest finite value, otherwise to infinity

    int mantissa_bits() const { return bits - 1 - exponent_bits; }
    uint32_t sign() const { return 1u << (bits - 1); }
    uint32_t largest_code() const; // finite
    uint32_t infinity_code() const { return largest_code() + 1; }
    bool is_nan(uint32_t code) const;
    // Exact for every format here; infinite for infinity. Not for NaN.
    double value(uint32_t code) const;
};

FormatDefinition definition_of(int32_t data_type);

// Rounds by comparing with the midpoints between neighbours, the even code on a tie.
class NearestCode
{
public:
    explicit NearestCode(int32_t data_type);
    // Not for NaN.
    uint32_t operator()(double value) const;
    // Between code i and code i + 1; the last one is where rounding leaves the finite numbers.
    const std::vector<double>& midpoints() const { return midpoints_; }

private:
    FormatDefinition format_;
    std::vector<double> midpoints_;
};

} // namespace nbit::test
