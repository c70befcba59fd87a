#include "inputs.h"
#include "cpu/elements.h"

#include <cmath>
#include <random>
#include <sstream>

namespace nbit::test
{

bool machine_has(nbit_instruction_set set) { return set <= best_instruction_set(); }

std::vector<nbit_instruction_set> all_instruction_sets()
{
    return {NBIT_INSTRUCTION_SET_SCALAR, NBIT_INSTRUCTION_SET_AVX2, NBIT_INSTRUCTION_SET_AVX512,
            NBIT_INSTRUCTION_SET_AVX512BF16};
}

Bytes rounded(int32_t type, const std::vector<float>& floats)
{
    Bytes elements(floats.size() * static_cast<size_t>(data_type_size(type)));
    for (size_t i = 0; i < floats.size(); ++i) {
        const auto at = static_cast<int64_t>(i);
        if (type == NBIT_DATA_TYPE_FLOAT32) store_element(elements.data(), at, floats[i]);
        if (type == NBIT_DATA_TYPE_FLOAT16) store_element(elements.data(), at, from_float<Float16>(floats[i]));
        if (type == NBIT_DATA_TYPE_BFLOAT16) store_element(elements.data(), at, from_float<BFloat16>(floats[i]));
    }
    return elements;
}

std::vector<float> widened(int32_t type, const Bytes& elements)
{
    std::vector<float> floats(elements.size() / static_cast<size_t>(data_type_size(type)));
    for (size_t i = 0; i < floats.size(); ++i) {
        const auto at = static_cast<int64_t>(i);
        if (type == NBIT_DATA_TYPE_FLOAT32) floats[i] = load_element<float>(elements.data(), at);
        if (type == NBIT_DATA_TYPE_FLOAT16) floats[i] = to_float(load_element<Float16>(elements.data(), at));
        if (type == NBIT_DATA_TYPE_BFLOAT16) floats[i] = to_float(load_element<BFloat16>(elements.data(), at));
    }
    return floats;
}

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

void add_with_neighbours(std::vector<float>& floats, float x)
{
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

std::vector<float> random_numbers(Numbers kind, int64_t count, unsigned seed)
{
    std::mt19937_64 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> special, numbers(static_cast<size_t>(count));
    add_special_values(special);
    for (float& x : numbers) {
        x = normal(random);
        if (kind == Numbers::of_all_magnitudes) x = std::ldexp(x, static_cast<int>(random() % 60) - 50);
        if (kind == Numbers::special && random() % 100 == 0) x = special[random() % special.size()];
        if (kind == Numbers::tiny) x = std::ldexp(x, -static_cast<int>(random() % 40) - 110);
        if (kind == Numbers::zeros) x = random() % 2 ? 0.0f : -0.0f;
    }
    return numbers;
}

std::vector<int8_t> random_codes(int64_t count, unsigned seed)
{
    std::mt19937 random(seed);
    std::vector<int8_t> codes(static_cast<size_t>(count));
    for (int8_t& code : codes)
        code = static_cast<int8_t>(random());
    return codes;
}

testing::AssertionResult same_bytes(const Bytes& expected, const Bytes& found)
{
    if (expected == found) return testing::AssertionSuccess();
    if (expected.size() != found.size())
        return testing::AssertionFailure() << found.size() << " bytes instead of " << expected.size();
    size_t i = 0;
    while (expected[i] == found[i])
        ++i;
    std::ostringstream text;
    text << "byte " << i << " is 0x" << std::hex << int{found[i]} << " instead of 0x" << int{expected[i]};
    return testing::AssertionFailure() << text.str();
}

testing::AssertionResult same_numbers(int32_t type, const Bytes& expected, const Bytes& found)
{
    const auto bits = [&](const Bytes& elements) {
        std::vector<float> numbers = widened(type, elements);
        for (float& x : numbers)
            if (std::isnan(x)) x = std::numeric_limits<float>::quiet_NaN();
        return bytes_of(numbers);
    };
    return same_bytes(bits(expected), bits(found));
}

} // namespace nbit::test
