// MXFP8, float8 blocks and NVFP4 through the ABI, against the definition of blocks and the rules of single numbers.
#include "abi.h"
#include "cpu/elements.h"
#include "cpu/float8/stochastic_rounding.h"
#include "guarded.h"
#include "scaled_cases.h"

#include <cmath>
#include <functional>
#include <limits>

namespace nbit::test
{
namespace
{

constexpr int32_t e4m3 = NBIT_DATA_TYPE_FLOAT8_E4M3FN, e5m2 = NBIT_DATA_TYPE_FLOAT8_E5M2;

struct Source {
    int32_t type;
    int64_t rows, columns;
    Bytes elements;
};

struct Quantized {
    Bytes codes, scales;
};

// A way to quantize, and its definition.
struct Quantizer {
    std::string name;
    int32_t format, scaling;
    bool transpose;
    BlockShape block; // of elements with one scale, which NVFP4 may store several times
    std::function<int32_t(nbit_context*, const Source&, float amax, uint8_t* codes, uint8_t* scales)> run;
    // The scale of a block as it is stored, and what its elements are multiplied by.
    std::function<std::pair<Bytes, float>(const Source&, float amax, float block_amax)> rule;
    std::optional<uint64_t> seed = {};
};

template <class T> Bytes one(T value) { return bytes_of(std::vector<T>{value}); }

Quantizer mxfp8(int32_t scaling, int32_t format)
{
    return {"Mxfp8",
            format,
            scaling,
            false,
            block_of(scaling),
            [=](nbit_context* context, const Source& s, float, uint8_t* codes, uint8_t* scales) {
                return nbit_mxfp8_quantize(context, s.type, s.elements.data(), s.rows, s.columns, format, scaling,
                                           codes, scales);
            },
            [=](const Source&, float, float block_amax) {
                const Float8E8M0 scale = mxfp8_scale(block_amax, largest_of(format));
                return std::pair(one(scale.bits), mxfp8_factor(scale));
            }};
}

Quantizer float8_blocks(int32_t scaling, int32_t format, bool transpose, bool power_of_two, float epsilon)
{
    return {"Float8",
            format,
            scaling,
            transpose,
            block_of(scaling),
            [=](nbit_context* context, const Source& s, float, uint8_t* codes, uint8_t* scales) {
                return nbit_float8_block_quantize(context, s.type, s.elements.data(), s.rows, s.columns, transpose,
                                                  format, scaling, power_of_two, epsilon, codes,
                                                  reinterpret_cast<float*>(scales));
            },
            [=](const Source& s, float, float block_amax) {
                const float most = s.type == NBIT_DATA_TYPE_FLOAT16    ? 65504
                                   : s.type == NBIT_DATA_TYPE_BFLOAT16 ? 0x1.fep127f
                                                                       : largest_float;
                const float scale = ScaleRule{largest_of(format), power_of_two, epsilon, most}.scale(block_amax);
                return std::pair(one(1 / scale), scale);
            }};
}

Quantizer nvfp4(bool transpose, int64_t block_rows, std::optional<uint64_t> seed = {})
{
    return {"Nvfp4",
            NBIT_DATA_TYPE_FLOAT4_E2M1FN_X2,
            NBIT_SCALING_NVFP4_1X16,
            transpose,
            {block_rows, 16},
            [=](nbit_context* context, const Source& s, float amax, uint8_t* codes, uint8_t* scales) {
                return nbit_nvfp4_quantize(context, s.type, s.elements.data(), s.rows, s.columns, transpose, block_rows,
                                           &amax, seed ? &*seed : nullptr, codes, scales);
            },
            [=](const Source&, float amax, float block_amax) {
                const Nvfp4Rule rule(amax);
                const Float8E4M3 scale = rule.scale(block_amax);
                return std::pair(one(scale.bits), rule.factor(scale));
            },
            seed};
}

std::vector<Quantizer> all_quantizers()
{
    std::vector<Quantizer> all;
    for (const int32_t format : {e4m3, e5m2})
        for (const int32_t scaling : {NBIT_SCALING_MXFP8_1X32, NBIT_SCALING_MXFP8_32X1, NBIT_SCALING_MXFP8_32X32})
            all.push_back(mxfp8(scaling, format));
    for (const int32_t scaling : {NBIT_SCALING_FLOAT8_1X128, NBIT_SCALING_FLOAT8_128X128})
        for (const bool transpose : {false, true}) {
            all.push_back(float8_blocks(scaling, e4m3, transpose, true, 0));
            all.push_back(float8_blocks(scaling, e5m2, transpose, false, 0.5f));
        }
    for (const bool transpose : {false, true})
        for (const int64_t block_rows : {1, 16}) {
            all.push_back(nvfp4(transpose, block_rows));
            all.push_back(nvfp4(transpose, block_rows, 12345));
        }
    return all;
}

float amax_of(const std::vector<float>& numbers)
{
    float amax = 0;
    for (const float x : numbers)
        if (std::fabs(x) > amax) amax = std::fabs(x);
    return amax;
}

uint8_t code_of(const Quantizer& q, float number, int64_t index)
{
    switch (q.format) {
    case e4m3:
        return from_float<Float8E4M3>(number).bits;
    case e5m2:
        return from_float<Float8E5M2>(number).bits;
    default:
        return q.seed ? rounded_stochastically_to_4_bits(number, *q.seed, index).bits
                      : from_float<Float4E2M1>(number).bits;
    }
}

Quantized expected_result(const Quantizer& q, const Source& source, float amax)
{
    const std::vector<float> numbers = widened(source.type, source.elements);
    const int64_t rows = q.transpose ? source.columns : source.rows,
                  columns = q.transpose ? source.rows : source.columns;
    const auto number = [&](int64_t r, int64_t c) {
        return numbers[static_cast<size_t>(q.transpose ? c * source.columns + r : r * source.columns + c)];
    };
    const ScaledMatrix layout{q.format, q.scaling, nullptr, rows, columns, nullptr, nullptr};
    const auto scale_size = static_cast<size_t>(data_type_size(scale_type_of(q.scaling)));
    Quantized result{Bytes(static_cast<size_t>(rows * layout.row_bytes())),
                     Bytes(static_cast<size_t>(layout.scale_count()) * scale_size)};
    for (int64_t r0 = 0; r0 < rows; r0 += q.block.rows)
        for (int64_t c0 = 0; c0 < columns; c0 += q.block.columns) {
            const int64_t r1 = std::min(r0 + q.block.rows, rows), c1 = std::min(c0 + q.block.columns, columns);
            std::vector<float> of_block;
            for (int64_t r = r0; r < r1; ++r)
                for (int64_t c = c0; c < c1; ++c)
                    of_block.push_back(number(r, c));
            const auto [scale, factor] = q.rule(source, amax, amax_of(of_block));
            for (int64_t r = r0; r < r1; ++r)
                for (int64_t c = c0; c < c1; ++c) {
                    std::copy(scale.begin(), scale.end(),
                              result.scales.begin() + layout.scale_index(r, c) * static_cast<int64_t>(scale_size));
                    const uint8_t code = code_of(q, number(r, c) * factor, r * columns + c);
                    if (layout.holds_pairs()) {
                        unsigned char& pair = result.codes[static_cast<size_t>(r * layout.row_bytes() + c / 2)];
                        pair = static_cast<unsigned char>(pair | code << (c % 2 * 4));
                    } else {
                        result.codes[static_cast<size_t>(r * columns + c)] = code;
                    }
                }
        }
    return result;
}

void expect_result(const Quantizer& q, const Source& source, int32_t threads)
{
    const float amax = amax_of(widened(source.type, source.elements));
    const Quantized expected = expected_result(q, source, amax);
    const Context context = cpu_context(threads);
    Guarded<uint8_t> codes(static_cast<int64_t>(expected.codes.size()), 1);
    Guarded<uint8_t> scales(static_cast<int64_t>(expected.scales.size()));
    ASSERT_EQ(q.run(context.get(), source, amax, codes.data(), scales.data()), NBIT_STATUS_OK) << last_error();
    ASSERT_TRUE(codes.is_intact() && scales.is_intact());
    ASSERT_TRUE(same_bytes(expected.scales, scales.bytes())) << "scales";
    ASSERT_TRUE(same_bytes(expected.codes, codes.bytes())) << "codes";
}

class BlockQuantizers : public testing::TestWithParam<std::tuple<nbit_instruction_set, nbit_data_type>>
{
protected:
    void SetUp() override
    {
        if (!machine_has(set())) GTEST_SKIP() << "this machine lacks " << instruction_set_name(set());
    }
    nbit_instruction_set set() const { return std::get<0>(GetParam()); }
    int32_t type() const { return std::get<1>(GetParam()); }

    Source source(Numbers kind, int64_t rows, int64_t columns) const
    {
        return {type(), rows, columns, rounded(type(), random_numbers(kind, rows * columns, 11))};
    }
    void expect_all(const Source& source, int32_t threads) const
    {
        const ForcedInstructionSet forced(set());
        for (const Quantizer& q : all_quantizers()) {
            SCOPED_TRACE(q.name + " " + std::to_string(q.block.rows) + "x" + std::to_string(q.block.columns) +
                         (q.transpose ? ", transposed, " : ", ") + std::to_string(source.rows) + " x " +
                         std::to_string(source.columns));
            ASSERT_NO_FATAL_FAILURE(expect_result(q, source, threads));
        }
    }
};

TEST_P(BlockQuantizers, FollowTheRulesForAllKindsOfNumbers)
{
    for (const Numbers kind : kinds_of_numbers)
        ASSERT_NO_FATAL_FAILURE(expect_all(source(kind, 130, 260), 1));
}

TEST_P(BlockQuantizers, TakeEverySize)
{
    for (const auto& [rows, columns] : std::vector<std::pair<int64_t, int64_t>>{
             {1, 1}, {1, 16}, {2, 3}, {15, 33}, {16, 31}, {31, 64}, {33, 17}, {129, 1}, {1, 300}, {0, 5}, {5, 0}})
        ASSERT_NO_FATAL_FAILURE(expect_all(source(Numbers::ordinary, rows, columns), 1));
}

TEST_P(BlockQuantizers, DoNotDependOnThreads)
{
    ASSERT_NO_FATAL_FAILURE(expect_all(source(Numbers::ordinary, 700, 1031), 5));
}

#if defined(__x86_64__)
TEST_P(BlockQuantizers, DoNotDependOnTheFloatingPointMode)
{
    const Source tiny = source(Numbers::tiny, 140, 130);
    const ForcedInstructionSet forced(set());
    const float amax = amax_of(widened(type(), tiny.elements));
    for (const Quantizer& q : all_quantizers()) {
        const Quantized expected = expected_result(q, tiny, amax);
        Quantized found{Bytes(expected.codes.size()), Bytes(expected.scales.size())};
        {
            const Context context = cpu_context(1);
            const OddFloatMode mode;
            ASSERT_EQ(q.run(context.get(), tiny, amax, found.codes.data(), found.scales.data()), NBIT_STATUS_OK);
        }
        ASSERT_TRUE(same_bytes(expected.scales, found.scales)) << q.name;
        ASSERT_TRUE(same_bytes(expected.codes, found.codes)) << q.name;
    }
}
#endif

INSTANTIATE_TEST_SUITE_P(All, BlockQuantizers,
                         testing::Combine(testing::ValuesIn(all_instruction_sets()), testing::ValuesIn(number_formats)),
                         [](const auto& test) {
                             return std::string(instruction_set_name(std::get<0>(test.param))) + "_" +
                                    data_type_name(std::get<1>(test.param));
                         });

// What the calls need, all in order; the tests break one thing at a time.
struct BlockCalls {
    Context context = cpu_context(1);
    std::vector<float> source = std::vector<float>(64, 1), scales = std::vector<float>(64, 7);
    std::vector<uint8_t> codes = std::vector<uint8_t>(64, 9);
    float amax = 1;
    int32_t type = NBIT_DATA_TYPE_FLOAT32, transpose = 0, power_of_two = 1;
    int64_t rows = 2, columns = 32, block_rows = 1;
    float epsilon = 0;

    std::string mxfp8(int32_t format, int32_t scaling)
    {
        return message(nbit_mxfp8_quantize(context.get(), type, source.data(), rows, columns, format, scaling,
                                           codes.data(), reinterpret_cast<uint8_t*>(scales.data())));
    }
    std::string blocks(int32_t scaling, float* to)
    {
        return message(nbit_float8_block_quantize(context.get(), type, source.data(), rows, columns, transpose, e4m3,
                                                  scaling, power_of_two, epsilon, codes.data(), to));
    }
    std::string nvfp4(const float* of, uint8_t* to)
    {
        return message(nbit_nvfp4_quantize(context.get(), type, source.data(), rows, columns, transpose, block_rows, of,
                                           nullptr, to, reinterpret_cast<uint8_t*>(scales.data())));
    }
    std::string message(int32_t status)
    {
        EXPECT_EQ(status, NBIT_STATUS_INVALID_ARGUMENT);
        EXPECT_EQ(codes, std::vector<uint8_t>(64, 9));
        EXPECT_EQ(scales, std::vector<float>(64, 7));
        return last_error();
    }
};

TEST(BlockQuantizerErrors, NameFormatsAndScalings)
{
    BlockCalls calls;
    EXPECT_EQ(calls.mxfp8(15, 1), "format is 15 (bfloat16); allowed are float8_e4m3fn (24) and float8_e5m2 (23)");
    EXPECT_EQ(calls.mxfp8(e4m3, 4), "scaling is 4; allowed are mxfp8_1x32 (1), mxfp8_32x1 (2) and mxfp8_32x32 (3)");
    EXPECT_EQ(calls.blocks(0, calls.scales.data()),
              "scaling is 0; allowed are float8_1x128 (4) and float8_128x128 (5)");
    calls.type = 1;
    EXPECT_EQ(calls.mxfp8(e4m3, 1), "source_type is 1 (int8); allowed are float32 (6), float16 (5) and bfloat16 (15)");
}

TEST(BlockQuantizerErrors, NameFlagsAndNumbers)
{
    BlockCalls calls;
    calls.block_rows = 2;
    EXPECT_EQ(calls.nvfp4(&calls.amax, calls.codes.data()),
              "block_rows is 2; allowed are 1, and 16 for blocks of 16 x 16 elements");
    calls.block_rows = 1;
    calls.transpose = 2;
    EXPECT_EQ(calls.nvfp4(&calls.amax, calls.codes.data()), "transpose is 2; allowed are 0 and 1");
    calls.transpose = 0;
    calls.epsilon = std::numeric_limits<float>::infinity();
    EXPECT_EQ(calls.blocks(4, calls.scales.data()), "epsilon is inf; allowed are finite numbers, 0 or more");
    calls.epsilon = 0;
    calls.power_of_two = -1;
    EXPECT_EQ(calls.blocks(4, calls.scales.data()), "power_of_two is -1; allowed are 0 and 1");
}

TEST(BlockQuantizerErrors, NameMissingAndSharedMemory)
{
    BlockCalls calls;
    EXPECT_EQ(calls.nvfp4(nullptr, calls.codes.data()), "amax is null; give the address of memory for it");
    EXPECT_EQ(calls.nvfp4(&calls.amax, nullptr), "codes is null; give the address of memory for it");
    EXPECT_EQ(calls.blocks(4, nullptr), "scale_inverses is null; give the address of memory for it");
    EXPECT_EQ(calls.blocks(4, calls.source.data()),
              "scale_inverses (8 bytes) overlaps source (256 bytes); give scale_inverses memory of its own");
    EXPECT_EQ(calls.nvfp4(&calls.scales[0], calls.codes.data()),
              "scales (4 bytes) overlaps amax (4 bytes); give scales memory of its own");
}

} // namespace
} // namespace nbit::test
