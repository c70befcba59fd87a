// Layers and products, against the CPU. Tolerances of layers are those of the golden data's README.
#include "checks.h"
#include "cpu/codebook8.h"

#include <cmath>

namespace nbit::gpu
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32, float16 = NBIT_DATA_TYPE_FLOAT16;
constexpr int32_t types[] = {NBIT_DATA_TYPE_FLOAT32, NBIT_DATA_TYPE_FLOAT16, NBIT_DATA_TYPE_BFLOAT16};

Bytes positive(int64_t count, unsigned seed)
{
    std::vector<float> numbers = widened(float32, random_elements(float32, count, seed));
    for (float& x : numbers)
        x = std::fabs(x);
    return bytes_of(numbers);
}

std::string compare_layer(int32_t type, const Bytes& expected, const Bytes& found)
{
    if (type == float32)
        return compare_numbers("y", type, expected, found, 1e-5 * largest_magnitude(type, expected), 1e-5);
    return compare_numbers("y", type, expected, found, 0.02 * largest_magnitude(type, expected), 0);
}

void check_linear4(Checks& checks, int32_t type, int64_t rows, bool is_nested)
{
    constexpr int64_t out = 256, in = 1024, blocksize = 64, blocks = out * in / blocksize;
    const std::vector<float> map(dynamic_map(true), dynamic_map(true) + 256), offset = {2};
    const Checks::Memory memory = {random_bytes(out * in / 2, 1),
                                   positive(blocks, 2),
                                   random_bytes(blocks, 3),
                                   bytes_of(map),
                                   bytes_of(offset),
                                   random_elements(type, rows * in, 4),
                                   random_elements(type, out, 5),
                                   nothing(rows * out * (type == float32 ? 4 : 2))};
    checks.compare_with_cpu(
        "4-bit layers", type_name(type) + ", " + std::to_string(rows) + " rows", memory,
        [&](nbit_context* on, const Checks::Addresses& a) {
            const auto number = [&](size_t i) { return static_cast<float*>(a[i]); };
            return nbit_linear4_forward(on, NBIT_QUANT_TYPE_NF4, static_cast<uint8_t*>(a[0]), number(1),
                                        is_nested ? static_cast<uint8_t*>(a[2]) : nullptr,
                                        is_nested ? number(3) : nullptr, is_nested ? number(4) : nullptr, blocksize,
                                        out, in, type, a[5], rows, type, a[6], type, a[7]);
        },
        [&](const Checks::Memory& expected, const Checks::Memory& found) {
            return compare_layer(type, expected[7], found[7]);
        });
}

void check_int8(Checks& checks)
{
    constexpr int64_t m = 36, n = 64, k = 512;
    const Checks::Memory memory = {random_bytes(m * k, 1), random_bytes(n * k, 2),         positive(m, 3),
                                   positive(n, 4),         random_elements(float16, n, 5), nothing(m * n * 4),
                                   nothing(m * n * 2)};
    checks.compare_with_cpu(
        "int8 products", "int32", memory,
        [&](nbit_context* on, const Checks::Addresses& a) {
            return nbit_int8_multiply(on, static_cast<int8_t*>(a[0]), static_cast<int8_t*>(a[1]), m, n, k,
                                      static_cast<int32_t*>(a[5]));
        },
        [](const Checks::Memory& expected, const Checks::Memory& found) {
            return compare_exactly("product", expected[5], found[5]);
        });
    constexpr double unit = 1.0 / 1024; // one unit in the last place, by the README
    checks.compare_with_cpu(
        "int8 products", "float16", memory,
        [&](nbit_context* on, const Checks::Addresses& a) {
            return nbit_int8_multiply_dequantize(on, static_cast<int8_t*>(a[0]), static_cast<float*>(a[2]),
                                                 static_cast<int8_t*>(a[1]), static_cast<float*>(a[3]), m, n, k,
                                                 float16, a[4], float16, a[6]);
        },
        [](const Checks::Memory& expected, const Checks::Memory& found) {
            return compare_numbers("target", float16, expected[6], found[6], 1e-6, unit);
        });
    const Checks::Memory rows = {random_elements(float16, m * k, 6), nothing(m * k), nothing(m * 4)};
    checks.compare_with_cpu(
        "int8 rows", "float16", rows,
        [&](nbit_context* on, const Checks::Addresses& a) {
            return nbit_rows8_quantize(on, float16, a[0], m, k, 0, static_cast<int8_t*>(a[1]),
                                       static_cast<float*>(a[2]), nullptr);
        },
        [](const Checks::Memory& expected, const Checks::Memory& found) {
            const std::string absmax = compare_exactly("row_absmax", expected[2], found[2]);
            // The reciprocal is approximate, so that a quotient halfway between two codes may round
            // to the other one
            return absmax.empty() ? compare_state_codes("codes", expected[1], found[1]) : absmax;
        });
}

} // namespace

void check_products(Checks& checks)
{
    for (const int32_t type : types)
        for (const int64_t rows : {1, 3, 16, 200})
            for (const bool is_nested : {false, true})
                check_linear4(checks, type, rows, is_nested);
    check_int8(checks);
}

} // namespace nbit::gpu
