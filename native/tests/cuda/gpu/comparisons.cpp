#include "comparisons.h"
#include "cpu/elements.h"
#include "cpu/formats.h"
#include "nbit/nbit.h"

#include <cmath>
#include <cstdlib>

namespace nbit::gpu
{
namespace
{

std::string at(const char* what, size_t index, double expected, double found)
{
    return std::string(what) + "[" + std::to_string(index) + "] is " + std::to_string(found) + " instead of " +
           std::to_string(expected);
}

int code_at(const Bytes& codes, size_t index, bool is_packed)
{
    if (!is_packed) return codes[index];
    return index % 2 == 0 ? codes[index / 2] >> 4 : codes[index / 2] & 15;
}

} // namespace

std::vector<float> widened(int32_t type, const Bytes& elements)
{
    const size_t size = type == NBIT_DATA_TYPE_FLOAT32 ? 4 : 2;
    std::vector<float> floats(elements.size() / size);
    for (size_t i = 0; i < floats.size(); ++i) {
        const auto index = static_cast<int64_t>(i);
        if (type == NBIT_DATA_TYPE_FLOAT32)
            floats[i] = load_element<float>(elements.data(), index);
        else if (type == NBIT_DATA_TYPE_FLOAT16)
            floats[i] = to_float(load_element<Float16>(elements.data(), index));
        else
            floats[i] = to_float(load_element<BFloat16>(elements.data(), index));
    }
    return floats;
}

std::string compare_exactly(const char* what, const Bytes& expected, const Bytes& found)
{
    for (size_t i = 0; i < expected.size(); ++i)
        if (expected[i] != found[i]) return at(what, i, expected[i], found[i]) + " (bytes)";
    return {};
}

std::string compare_numbers(const char* what, int32_t type, const Bytes& expected, const Bytes& found, double absolute,
                            double relative)
{
    const std::vector<float> a = widened(type, expected), b = widened(type, found);
    for (size_t i = 0; i < a.size(); ++i) {
        if (std::isnan(a[i]) && std::isnan(b[i])) continue;
        if (a[i] == b[i]) continue;
        const double difference = std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
        if (!(difference <= absolute + relative * std::fabs(static_cast<double>(a[i])))) return at(what, i, a[i], b[i]);
    }
    return {};
}

double largest_magnitude(int32_t type, const Bytes& numbers)
{
    double largest = 0;
    for (const float x : widened(type, numbers))
        largest = std::fmax(largest, std::fabs(static_cast<double>(x)));
    return largest;
}

std::string compare_codes(const Codes& codes, const Bytes& expected, const Bytes& found)
{
    for (size_t i = 0; i < codes.source.size(); ++i) {
        const int a = code_at(expected, i, codes.is_packed), b = code_at(found, i, codes.is_packed);
        if (a == b) continue;
        const double absmax = codes.absmax[static_cast<int64_t>(i) / codes.blocksize];
        const double middle = (static_cast<double>(codes.table[a]) + static_cast<double>(codes.table[b])) / 2;
        if (!(std::fabs(static_cast<double>(codes.source[i]) / absmax - middle) <= quotient_error))
            return at("code", i, a, b);
    }
    return {};
}

std::string compare_state_codes(const char* what, const Bytes& expected, const Bytes& found)
{
    size_t different = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
        different += expected[i] != found[i];
        if (std::abs(expected[i] - found[i]) > 1) return at(what, i, expected[i], found[i]);
    }
    if (different * 1000 > expected.size())
        return std::string(what) + ": " + std::to_string(different) + " codes of " + std::to_string(expected.size()) +
               " differ";
    return {};
}

} // namespace nbit::gpu
