// How much results of a GPU may differ. Its kernels are compiled with approximate division, reciprocal and square root,
// so that what is exact by the golden data's README may be off by a rounding there; see each function.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace nbit::gpu
{

using Bytes = std::vector<unsigned char>;

// float32, float16 or bfloat16 elements as floats.
std::vector<float> widened(int32_t type, const Bytes& elements);

// The same bytes.
std::string compare_exactly(const char* what, const Bytes& expected, const Bytes& found);

// Numbers of a type: |difference| <= absolute + relative * |expected|, NaN equal to NaN, zeros equal whatever their
// sign.
std::string compare_numbers(const char* what, int32_t type, const Bytes& expected, const Bytes& found, double absolute,
                            double relative);

// The largest magnitude of numbers of a type, for tolerances that are relative to it.
double largest_magnitude(int32_t type, const Bytes& numbers);

// Codes that stand for the numbers of a table. Two codes may differ where the quotient is next to the middle between
// them, since the reciprocal on a GPU is off by one unit in the last place: at most this far, relative to absmax.
inline constexpr double quotient_error = 5e-7;
struct Codes {
    const float* table;
    const std::vector<float>& source;
    const float* absmax;
    int64_t blocksize;
    bool is_packed; // two codes a byte
};
std::string compare_codes(const Codes& codes, const Bytes& expected, const Bytes& found);

// Codes of optimizers' states: equal but for one in a thousand, and those off by one.
std::string compare_state_codes(const char* what, const Bytes& expected, const Bytes& found);

} // namespace nbit::gpu
