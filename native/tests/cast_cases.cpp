#include "cast_cases.h"
#include "cast_expectations.h"
#include "cpu/elements.h"

#include <cmath>
#include <iomanip>
#include <limits>
#include <sstream>

namespace nbit::test
{
namespace
{

void add_with_neighbours(std::vector<float>& floats, float x)
{
    constexpr float infinity = std::numeric_limits<float>::infinity();
    float below = x, above = x;
    floats.push_back(x);
    for (int step = 0; step < 2; ++step) {
        floats.push_back(below = std::nextafter(below, -infinity));
        floats.push_back(above = std::nextafter(above, infinity));
    }
}

void add_special_values(std::vector<float>& floats)
{
    // Zero, denormals, the least normal, infinity, quiet and signalling NaN with several payloads
    for (const uint32_t bits :
         {0u, 1u, 2u, 0x400000u, 0x7fffffu, 0x800000u, 0x800001u, 0x7f7fffffu, 0x7f800000u, 0x7f800001u, 0x7f80ffffu,
          0x7fbfffffu, 0x7fc00000u, 0x7fc00001u, 0x7fd55555u, 0x7faaaaaau, 0x7fffffffu}) {
        floats.push_back(bits_float(bits));
        floats.push_back(bits_float(bits | sign_bit));
    }
}

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
    for (int set = NBIT_INSTRUCTION_SET_SCALAR; set <= NBIT_INSTRUCTION_SET_AVX512BF16; ++set)
        for (const Pair& pair : cast_pairs())
            cases.push_back({static_cast<nbit_instruction_set>(set), pair});
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

bool machine_has(nbit_instruction_set set) { return set <= best_instruction_set(); }

Bytes all_elements(int32_t type)
{
    Bytes bytes;
    const int64_t size = data_type_size(type);
    for (uint32_t code = 0; code < 1u << (8 * size); ++code)
        for (int64_t byte = 0; byte < size; ++byte)
            bytes.push_back(static_cast<unsigned char>(code >> (8 * byte)));
    return bytes;
}

Bytes spread_floats(const Spread& spread)
{
    const uint64_t step = (1ull << 32) / static_cast<uint64_t>(spread.count);
    const auto size = static_cast<uint64_t>(spread.count / spread.parts);
    const uint64_t begin = size * static_cast<uint64_t>(spread.part);
    Bytes bytes(size * sizeof(float));
    for (uint64_t i = 0; i < size; ++i) {
        const uint64_t at = begin + i, irregular = (at * 0x9e3779b97f4a7c15ull >> 32) % step;
        store_element(bytes.data(), static_cast<int64_t>(i), static_cast<uint32_t>(at * step + irregular));
    }
    return bytes;
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
