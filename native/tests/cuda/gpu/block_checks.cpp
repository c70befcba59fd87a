// Blocks that the golden data has not, against the CPU, which is tested by itself.
#include "checks.h"
#include "cpu/codebook8.h"
#include "cpu/codes4.h"

#include <limits>

namespace nbit::gpu
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32;
constexpr int32_t types[] = {NBIT_DATA_TYPE_FLOAT32, NBIT_DATA_TYPE_FLOAT16, NBIT_DATA_TYPE_BFLOAT16};

// Blocks of zeros, with NaN and with infinities, which bitsandbytes' own kernels treat in other ways.
void check_special_blocks(Checks& checks)
{
    constexpr int64_t blocksize = 64, blocks = 9, count = blocks * blocksize;
    std::vector<float> x = widened(float32, random_elements(float32, count, 1));
    std::fill_n(x.begin() + blocksize, 2 * blocksize, 0.0f);
    x[4 * blocksize + 5] = std::numeric_limits<float>::quiet_NaN();
    x[6 * blocksize + 7] = -std::numeric_limits<float>::infinity();
    for (int64_t i = 8 * blocksize; i < count; ++i)
        x[static_cast<size_t>(i)] *= 1e-40f;
    const auto same = [](const Checks::Memory& expected, const Checks::Memory& found) {
        const std::string codes = compare_exactly("codes", expected[1], found[1]);
        return codes.empty() ? compare_numbers("absmax", float32, expected[2], found[2], 0, 0) : codes;
    };
    for (const int32_t quant_type : {NBIT_QUANT_TYPE_FP4, NBIT_QUANT_TYPE_NF4})
        checks.compare_with_cpu(
            "special blocks", quant_type == NBIT_QUANT_TYPE_FP4 ? "fp4" : "nf4",
            {bytes_of(x), nothing(count / 2), nothing(blocks * 4)},
            [&](nbit_context* on, const Checks::Addresses& a) {
                return nbit_blocks4_quantize(on, quant_type, float32, a[0], count, blocksize,
                                             static_cast<uint8_t*>(a[1]), static_cast<float*>(a[2]));
            },
            same);
    const nbit_codebook8* book = checks.book(dynamic_map(true));
    checks.compare_with_cpu(
        "special blocks", "8 bits", {bytes_of(x), nothing(count), nothing(blocks * 4)},
        [&](nbit_context* on, const Checks::Addresses& a) {
            return nbit_blocks8_quantize(on, book, float32, a[0], count, blocksize, static_cast<uint8_t*>(a[1]),
                                         static_cast<float*>(a[2]));
        },
        same);
}

void check_nested(Checks& checks)
{
    constexpr int64_t count = 200000, blocksize = 64, blocks = count / blocksize;
    const std::vector<float> map(dynamic_map(true), dynamic_map(true) + 256), offset = {0.5f};
    const Checks::Memory memory = {random_bytes(count / 2, 1), random_elements(float32, blocks, 2),
                                   random_bytes(blocks, 3),    bytes_of(map),
                                   bytes_of(offset),           nothing(count * 4)};
    for (const int32_t type : types)
        checks.compare_with_cpu(
            "dequantize nested 4 bits", type_name(type), memory,
            [&](nbit_context* on, const Checks::Addresses& a) {
                return nbit_blocks4_dequantize(on, NBIT_QUANT_TYPE_NF4, static_cast<uint8_t*>(a[0]),
                                               static_cast<float*>(a[1]), static_cast<uint8_t*>(a[2]),
                                               static_cast<float*>(a[3]), static_cast<float*>(a[4]), count, blocksize,
                                               type, a[5]);
            },
            [&](const Checks::Memory& expected, const Checks::Memory& found) {
                return compare_exactly("target", expected[5], found[5]);
            });
}

} // namespace

void check_blocks(Checks& checks)
{
    check_special_blocks(checks);
    check_nested(checks);
}

} // namespace nbit::gpu
