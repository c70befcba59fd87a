// Pairs, scales and inputs that the tests of the casts share.
#pragma once
#include "base/cpu.h"
#include "base/data_type.h"
#include "cpu/cast.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace nbit::test
{

// Elements of any format, as bytes.
using Bytes = std::vector<unsigned char>;

struct Pair {
    int32_t source, target;
};
// All that exist.
std::vector<Pair> cast_pairs();

struct Case {
    nbit_instruction_set set;
    Pair pair;
};
// Every pair with every instruction set, whether this machine has it or not.
std::vector<Case> cast_cases();
std::string name_of(const Pair& pair);
std::string name_of(const testing::TestParamInfo<Case>& test);
bool machine_has(nbit_instruction_set set);

// Ordinary ones, powers of two, tiny, huge, negative and zero.
extern const std::vector<float> cast_scales;

// Every element that the format has. Not for float32.
Bytes all_elements(int32_t type);
// Floats that step through all bit patterns, with irregular lower bits: one of several equal parts of `count` of them.
struct Spread {
    int64_t count, parts = 1, part = 0;
};
Bytes spread_floats(const Spread& spread);
// Floats whose product with the scale is a tie between neighbours of the target, or next to one, and special values.
Bytes floats_near_ties(int32_t target_type, float scale);
// The inputs above for any source.
Bytes inputs_for(const Pair& pair, float scale, const Spread& spread);

// What one kernel made.
struct Outcome {
    Bytes target;
    float amax;
};
Outcome run(const CastTable& table, const Pair& pair, const Bytes& source, float scale, bool stream);

// Says which element differs first, and how.
testing::AssertionResult same(const Outcome& expected, const Outcome& found, const Pair& pair, const Bytes& source);

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

} // namespace nbit::test
