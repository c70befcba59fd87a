// Pairs, scales and inputs that the tests of the casts share.
#pragma once
#include "cpu/cast.h"
#include "inputs.h"

namespace nbit::test
{

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

// Ordinary ones, powers of two, tiny, huge, negative and zero.
extern const std::vector<float> cast_scales;

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

} // namespace nbit::test
