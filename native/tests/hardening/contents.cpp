#include "hardening/contents.h"
#include "base/data_type.h"
#include "cpu/elements.h"
#include "cpu/formats.h"

#include <algorithm>
#include <cstring>

namespace nbit::test
{
namespace
{

enum class Numbers { ordinary, of_all_magnitudes, special, tiny, zeros, of_any_bits };

float number(Numbers kind, RandomBits& random)
{
    const uint64_t bits = random.next();
    const float ordinary = static_cast<float>(static_cast<int32_t>(bits)) * 0x1p-30f;
    const auto other = static_cast<int>(bits >> 32);
    switch (kind) {
    case Numbers::of_all_magnitudes:
        return std::ldexp(ordinary, other % 60 - 30);
    case Numbers::special:
        return other % 16 ? ordinary
                          : bits_float(other % 3 ? other % 2 ? infinity_bits : quiet_bit | infinity_bits : 0);
    case Numbers::tiny:
        return std::ldexp(ordinary, -110 - std::abs(other % 40));
    case Numbers::zeros:
        return other % 2 ? 0.0f : -0.0f;
    case Numbers::of_any_bits:
        return bits_float(static_cast<uint32_t>(bits));
    default:
        return ordinary;
    }
}

void store_number(void* memory, int32_t type, int64_t index, float x)
{
    switch (type) {
    case NBIT_DATA_TYPE_FLOAT16:
        return store_element(memory, index, from_float<Float16>(x));
    case NBIT_DATA_TYPE_BFLOAT16:
        return store_element(memory, index, from_float<BFloat16>(x));
    default:
        return store_element(memory, index, x);
    }
}

bool is_number(int32_t type)
{
    return type == NBIT_DATA_TYPE_FLOAT32 || type == NBIT_DATA_TYPE_FLOAT16 || type == NBIT_DATA_TYPE_BFLOAT16;
}

bool is_nan(int32_t type, const uint8_t* elements, int64_t index)
{
    switch (type) {
    case NBIT_DATA_TYPE_FLOAT16:
        return std::isnan(to_float(load_element<Float16>(elements, index)));
    case NBIT_DATA_TYPE_BFLOAT16:
        return std::isnan(to_float(load_element<BFloat16>(elements, index)));
    default:
        return std::isnan(load_element<float>(elements, index));
    }
}

} // namespace

void fill(void* memory, int32_t type, int64_t count, Contents contents, Choices& choices)
{
    RandomBits random(choices.bits(4));
    if (!is_number(type)) {
        for (int64_t i = 0; i < count * data_type_size(type); ++i)
            store_element(memory, i, static_cast<uint8_t>(random.next() >> 32));
        return;
    }
    const auto kind = choices.one_of({Numbers::ordinary, Numbers::ordinary, Numbers::of_all_magnitudes,
                                      Numbers::special, Numbers::tiny, Numbers::zeros, Numbers::of_any_bits});
    for (int64_t i = 0; i < count; ++i) {
        const float x = contents == Contents::any ? number(kind, random) : number(Numbers::ordinary, random);
        const float magnitude =
            contents == Contents::scales ? std::ldexp(1 + std::fabs(x), static_cast<int>(i % 5) - 2) : std::fabs(x);
        store_number(memory, type, i, contents == Contents::any || contents == Contents::ascending ? x : magnitude);
    }
    if (contents == Contents::ascending) {
        auto* const values = static_cast<float*>(memory);
        std::sort(values, values + count);
    }
}

bool are_same(int32_t type, std::span<const uint8_t> a, std::span<const uint8_t> b)
{
    if (a.size() != b.size()) return false;
    if (std::equal(a.begin(), a.end(), b.begin())) return true;
    if (!is_number(type)) return false;
    const auto size = static_cast<size_t>(data_type_size(type));
    for (size_t i = 0; i < a.size() / size; ++i) {
        const auto index = static_cast<int64_t>(i);
        if (std::memcmp(&a[i * size], &b[i * size], size) != 0 &&
            !(is_nan(type, a.data(), index) && is_nan(type, b.data(), index)))
            return false;
    }
    return true;
}

} // namespace nbit::test
