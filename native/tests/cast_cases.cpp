#include "cast_cases.h"
#include "cast_expectations.h"
#include "cpu/elements.h"

#include <sstream>

namespace nbit::test
{
namespace
{

uint32_t element_bits(const Bytes& bytes, size_t index, size_t size)
{
    uint32_t bits = 0;
    std::memcpy(&bits, bytes.data() + index * size, size);
    return bits;
}

} // namespace

const std::vector<float> cast_scales = {1.0f,  -1.0f,  0.5f,   4096.0f, 0x1p-20f, 0x1p100f, 3.0f,
                                        -0.1f, 1e-30f, -3e38f, 1e-38f,  1e-45f,   0.0f,     -0.0f};

std::vector<Pair> cast_pairs()
{
    std::vector<Pair> pairs;
    for (const int32_t source : cast_formats)
        for (const int32_t target : cast_formats)
            if (data_type_size(source) > 1 || data_type_size(target) > 1) pairs.push_back({source, target});
    return pairs;
}

std::vector<Case> cast_cases()
{
    std::vector<Case> cases;
    for (const nbit_instruction_set set : all_instruction_sets())
        for (const Pair& pair : cast_pairs())
            cases.push_back({set, pair});
    return cases;
}

std::string name_of(const Pair& pair)
{
    return std::string(data_type_name(pair.source)) + "_to_" + data_type_name(pair.target);
}

std::string name_of(const testing::TestParamInfo<Case>& test)
{
    return std::string(instruction_set_name(test.param.set)) + "_" + name_of(test.param.pair);
}

Bytes floats_near_ties(int32_t target_type, float scale)
{
    std::vector<float> floats;
    if (target_type != NBIT_DATA_TYPE_FLOAT32 && scale != 0) {
        const NearestCode nearest(target_type);
        for (const double midpoint : nearest.midpoints())
            for (const double product : {midpoint, -midpoint})
                add_with_neighbours(floats, static_cast<float>(product / static_cast<double>(scale)));
    }
    add_special_values(floats);
    return bytes_of(floats);
}

Bytes inputs_for(const Pair& pair, float scale, const Spread& spread)
{
    if (pair.source != NBIT_DATA_TYPE_FLOAT32) return all_elements(pair.source);
    Bytes inputs = spread_floats(spread);
    const Bytes ties = floats_near_ties(pair.target, scale);
    inputs.insert(inputs.end(), ties.begin(), ties.end());
    return inputs;
}

Outcome run(const CastTable& table, const Pair& pair, const Bytes& source, float scale, bool stream)
{
    const auto count = static_cast<int64_t>(source.size()) / data_type_size(pair.source);
    Outcome outcome{Bytes(static_cast<size_t>(count * data_type_size(pair.target))), -1};
    outcome.amax = table.find(pair.source, pair.target)(source.data(), count, scale, outcome.target.data(), stream);
    return outcome;
}

testing::AssertionResult same(const Outcome& expected, const Outcome& found, const Pair& pair, const Bytes& source)
{
    if (float_bits(expected.amax) != float_bits(found.amax))
        return testing::AssertionFailure() << "amax is " << found.amax << " instead of " << expected.amax;
    if (expected.target == found.target) return testing::AssertionSuccess();
    const auto source_size = static_cast<size_t>(data_type_size(pair.source));
    const auto target_size = static_cast<size_t>(data_type_size(pair.target));
    size_t i = 0;
    while (element_bits(expected.target, i, target_size) == element_bits(found.target, i, target_size))
        ++i;
    std::ostringstream text;
    text << std::hex << "element " << std::dec << i << std::hex << ", source " << element_bits(source, i, source_size)
         << ": " << element_bits(found.target, i, target_size) << " instead of "
         << element_bits(expected.target, i, target_size);
    return testing::AssertionFailure() << text.str();
}

} // namespace nbit::test
