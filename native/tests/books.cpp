#include "books.h"
#include "cpu/codebook8.h"
#include "inputs.h"

#include <algorithm>

namespace nbit::test
{
namespace
{

template <class Number> std::vector<float> values_from(Number number)
{
    std::vector<float> values;
    for (int i = 0; i < 256; ++i)
        values.push_back(number(i));
    std::sort(values.begin(), values.end());
    return values;
}

std::vector<float> dynamic(bool is_signed)
{
    return values_from([&](int i) { return dynamic_map(is_signed)[i]; });
}

// A dynamic map but for its largest number, which is what a map of another size has there.
std::vector<float> dynamic_but_for_one_number()
{
    std::vector<float> values = dynamic(true);
    values[254] = 0.9f;
    std::sort(values.begin(), values.end());
    return values;
}

} // namespace

const std::vector<Book>& books()
{
    static const std::vector<Book> all = {
        {"DynamicSigned", dynamic(true), true, true},
        {"DynamicUnsigned", dynamic(false), true, true},
        {"AlmostDynamic", dynamic_but_for_one_number(), false, true},
        {"Linear", values_from([](int i) { return static_cast<float>(i) / 127.5f - 1; }), false, true},
        // A float of 5 exponent bits, as bitsandbytes' create_fp8_map makes: many numbers below the least cell
        {"FloatE5M2", values_from([](int i) {
             const float magnitude = std::ldexp(1 + static_cast<float>(i & 3) / 4, (i >> 2 & 31) - 32) / 0.875f;
             return i & 128 ? -magnitude : magnitude;
         }),
         false, false},
        {"EqualNeighbours", values_from([](int i) {
             const float x = static_cast<float>(i / 3) / 42.5f - 1;
             return x * x * x;
         }),
         false, false},
        // What create_dynamic_map gives for less than 8 bits: the rest is filled with zeros
        {"MostlyZero", values_from([](int i) { return i < 16 ? static_cast<float>(i) / 8 - 1 : 0.0f; }), false, false},
        {"BeyondOne", values_from([](int i) { return static_cast<float>(i) / 64 - 2; }), false, true},
        {"OneNumber", values_from([](int) { return 0.25f; }), false, false},
    };
    return all;
}

std::vector<float> floats_near_changes(const std::vector<float>& values)
{
    std::vector<float> floats;
    for (size_t i = 0; i < values.size(); ++i) {
        add_with_neighbours(floats, values[i]);
        if (i > 0) add_with_neighbours(floats, (values[i - 1] + values[i]) * 0.5f);
    }
    for (const float x : {0.0f, -0.0f, 1.0f, -1.0f})
        add_with_neighbours(floats, x);
    return floats;
}

float nearest_value(const std::vector<float>& values, float x)
{
    size_t code = 0;
    for (size_t i = 0; i + 1 < values.size(); ++i) {
        const float midpoint = (values[i] + values[i + 1]) * 0.5f;
        code += x > midpoint || (x == midpoint && i % 2 == 1);
    }
    return values[code];
}

} // namespace nbit::test
