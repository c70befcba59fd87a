// Instruction sets, elements and inputs that the tests of all kernels share.
#pragma once
#include "base/cpu.h"
#include "base/data_type.h"
#include "cpu/number_formats.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace nbit::test
{

bool machine_has(nbit_instruction_set set);
// All, whether this machine has them or not.
std::vector<nbit_instruction_set> all_instruction_sets();

// Elements of any format, as bytes.
using Bytes = std::vector<unsigned char>;

template <class T> Bytes bytes_of(const std::vector<T>& elements)
{
    const auto* begin = reinterpret_cast<const unsigned char*>(elements.data());
    return Bytes(begin, begin + elements.size() * sizeof(T));
}
template <class T> std::vector<T> elements_of(const Bytes& bytes)
{
    std::vector<T> elements(bytes.size() / sizeof(T));
    std::memcpy(static_cast<void*>(elements.data()), bytes.data(), elements.size() * sizeof(T));
    return elements;
}
// float32, float16 or bfloat16 elements from floats, and back.
Bytes rounded(int32_t type, const std::vector<float>& floats);
std::vector<float> widened(int32_t type, const Bytes& elements);

// Every element that the format has. Not for float32.
Bytes all_elements(int32_t type);
// Floats that step through all bit patterns, with irregular lower bits: one of several equal parts of `count` of them.
struct Spread {
    int64_t count, parts = 1, part = 0;
};
Bytes spread_floats(const Spread& spread);
// The float and its neighbours, two on each side.
void add_with_neighbours(std::vector<float>& floats, float x);
// Zeros, denormals, the least and largest normal numbers, infinities, quiet and signalling NaN with several payloads.
void add_special_values(std::vector<float>& floats);

// Kinds of numbers that kernels treat differently.
enum class Numbers { ordinary, of_all_magnitudes, special, tiny, zeros };
inline constexpr Numbers kinds_of_numbers[] = {Numbers::ordinary, Numbers::of_all_magnitudes, Numbers::special,
                                               Numbers::tiny, Numbers::zeros};
std::vector<float> random_numbers(Numbers kind, int64_t count, unsigned seed);
// From -128 to 127.
std::vector<int8_t> random_codes(int64_t count, unsigned seed);

// Says which byte differs first, and how.
testing::AssertionResult same_bytes(const Bytes& expected, const Bytes& found);
// The same for elements of a format, of which one NaN is as good as another.
testing::AssertionResult same_numbers(int32_t type, const Bytes& expected, const Bytes& found);

} // namespace nbit::test
