// nbit_values_cast: arguments, errors, threads and instruction sets.
#include "abi.h"
#include "cast_cases.h"

#include <cmath>
#include <limits>
#include <thread>

namespace nbit::test
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32, float16 = NBIT_DATA_TYPE_FLOAT16;
constexpr int32_t bfloat16 = NBIT_DATA_TYPE_BFLOAT16;
constexpr int32_t e4m3 = NBIT_DATA_TYPE_FLOAT8_E4M3FN, e5m2 = NBIT_DATA_TYPE_FLOAT8_E5M2;
const float nan = std::numeric_limits<float>::quiet_NaN();

class CastThreads : public testing::TestWithParam<std::tuple<nbit_instruction_set, int32_t>>
{
};

TEST_P(CastThreads, ChangeNoBitOfTheResult)
{
    const auto [set, threads] = GetParam();
    if (!machine_has(set)) GTEST_SKIP() << "this machine lacks " << instruction_set_name(set);
    const ForcedInstructionSet forced(set);
    const Context context = cpu_context(threads);
    const float scale = 0.37f;
    for (const Pair& pair : cast_pairs()) {
        // Enough for several threads, and no whole number of tiles; the last page of the source holds the maximum
        const int64_t count = (3 << 20) + 77;
        Bytes source = spread_floats({count});
        if (pair.source != float32) source = run(reference::casts, {float32, pair.source}, source, 1e-3f, false).target;
        const Outcome expected = run(reference::casts, pair, source, scale, false);
        Outcome found{Bytes(expected.target.size()), 0.25f};
        ASSERT_EQ(nbit_values_cast(context.get(), pair.source, source.data(), count, pair.target, found.target.data(),
                                   &scale, &found.amax),
                  NBIT_STATUS_OK)
            << last_error();
        EXPECT_TRUE(same(expected, found, pair, source)) << name_of(pair);
    }
}

INSTANTIATE_TEST_SUITE_P(All, CastThreads,
                         testing::Combine(testing::Values(NBIT_INSTRUCTION_SET_SCALAR, NBIT_INSTRUCTION_SET_AVX2,
                                                          NBIT_INSTRUCTION_SET_AVX512, NBIT_INSTRUCTION_SET_AVX512BF16),
                                          testing::Values(1, 2, 5)),
                         [](const auto& test) {
                             return std::string(instruction_set_name(std::get<0>(test.param))) + "_" +
                                    std::to_string(std::get<1>(test.param));
                         });

// What a call needs, all of it in order; the tests break one thing at a time.
struct Call {
    Context context = cpu_context(1);
    std::vector<float> source{1, -2, 3, 4};
    std::vector<uint16_t> target{7, 7, 7, 7};
    float scale = 2, amax = 0;

    int32_t run(int32_t source_type, const void* from, int64_t count, int32_t target_type, void* to,
                const float* factor, float* most)
    {
        return nbit_values_cast(context.get(), source_type, from, count, target_type, to, factor, most);
    }
    int32_t run() { return run(float32, source.data(), 4, bfloat16, target.data(), &scale, &amax); }
    bool is_untouched() const { return target == std::vector<uint16_t>{7, 7, 7, 7} && amax == 0; }
};

TEST(ValuesCast, ScalesRoundsAndReportsTheLargestMagnitudeBeforeScaling)
{
    Call call;
    ASSERT_EQ(call.run(), NBIT_STATUS_OK) << last_error();
    EXPECT_EQ(call.target, (std::vector<uint16_t>{0x4000, 0xc080, 0x40c0, 0x4100}));
    EXPECT_EQ(call.amax, 4);
}

TEST(ValuesCast, TakesNullForScaleAndAmax)
{
    Call call;
    ASSERT_EQ(call.run(float32, call.source.data(), 4, float16, call.target.data(), nullptr, nullptr), NBIT_STATUS_OK);
    EXPECT_EQ(call.target, (std::vector<uint16_t>{0x3c00, 0xc000, 0x4200, 0x4400}));
}

struct Maximum {
    const char* name;
    float before;
    std::vector<float> source;
    float after;
};

class ValuesCastAmax : public testing::TestWithParam<Maximum>
{
};

TEST_P(ValuesCastAmax, OnlyRises)
{
    const Maximum& maximum = GetParam();
    Call call;
    call.amax = maximum.before;
    const auto count = static_cast<int64_t>(maximum.source.size());
    ASSERT_EQ(call.run(float32, maximum.source.data(), count, e4m3, call.target.data(), &call.scale, &call.amax),
              NBIT_STATUS_OK)
        << last_error();
    EXPECT_EQ(float_bits(call.amax), float_bits(maximum.after));
}

INSTANTIATE_TEST_SUITE_P(All, ValuesCastAmax,
                         testing::Values(Maximum{"FromZero", 0, {1, -3}, 3}, Maximum{"FromBelow", 2, {1, -3}, 3},
                                         Maximum{"FromAbove", 9, {1, -3}, 9},
                                         Maximum{"NaNIsLeftOut", 0.5f, {nan, 1}, 1},
                                         Maximum{"OnlyNaN", 0.5f, {nan, nan}, 0.5f},
                                         Maximum{"InfinityCounts", 0.5f, {-infinity, 1}, infinity},
                                         Maximum{"NaNBeforeStays", nan, {1}, nan}, Maximum{"NothingGiven", -1, {}, -1}),
                         [](const auto& test) { return test.param.name; });

TEST(ValuesCast, ForNoElementsNeedsNoMemory)
{
    Call call;
    EXPECT_EQ(call.run(float32, nullptr, 0, e5m2, nullptr, nullptr, nullptr), NBIT_STATUS_OK) << last_error();
}

TEST(ValuesCast, TakesNeighboursThatTouch)
{
    Call call;
    std::vector<float> memory{1, 2, 0, 0};
    EXPECT_EQ(call.run(float32, &memory[0], 2, float32, &memory[2], &call.scale, nullptr), NBIT_STATUS_OK);
    EXPECT_EQ(memory, (std::vector<float>{1, 2, 2, 4}));
    EXPECT_EQ(call.run(float32, &memory[2], 2, float32, &memory[0], &call.scale, nullptr), NBIT_STATUS_OK);
    EXPECT_EQ(memory, (std::vector<float>{4, 8, 2, 4}));
}

TEST(ValuesCast, NeedsAContext)
{
    Call call;
    EXPECT_EQ(nbit_values_cast(nullptr, float32, call.source.data(), 4, bfloat16, call.target.data(), nullptr, nullptr),
              NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_NE(last_error().find("context is null"), std::string::npos) << last_error();
    EXPECT_TRUE(call.is_untouched());
}

struct Refusal {
    const char* name;
    int32_t (*run)(Call& call);
    const char* message;
};

class ValuesCastErrors : public testing::TestWithParam<Refusal>
{
};

TEST_P(ValuesCastErrors, NameTheArgumentAndWriteNothing)
{
    Call call;
    EXPECT_EQ(GetParam().run(call), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_NE(last_error().find(GetParam().message), std::string::npos) << last_error();
    EXPECT_TRUE(call.is_untouched());
}

constexpr int64_t most_int64 = std::numeric_limits<int64_t>::max();

INSTANTIATE_TEST_SUITE_P(
    All, ValuesCastErrors,
    testing::Values(
        Refusal{"NullSource",
                [](Call& c) { return c.run(float32, nullptr, 4, bfloat16, c.target.data(), &c.scale, &c.amax); },
                "source is null"},
        Refusal{"NullTarget",
                [](Call& c) { return c.run(float32, c.source.data(), 4, bfloat16, nullptr, &c.scale, &c.amax); },
                "target is null"},
        Refusal{
            "NegativeCount",
            [](Call& c) { return c.run(float32, c.source.data(), -1, bfloat16, c.target.data(), &c.scale, &c.amax); },
            "count is -1; allowed are 0 to 2305843009213693951 elements of 4 bytes"},
        Refusal{"TooManySourceBytes",
                [](Call& c) {
                    return c.run(float32, c.source.data(), most_int64 / 4 + 1, e4m3, c.target.data(), &c.scale,
                                 &c.amax);
                },
                "count is 2305843009213693952"},
        Refusal{"TooManyTargetBytes",
                [](Call& c) {
                    return c.run(e4m3, c.source.data(), most_int64, float32, c.target.data(), &c.scale, &c.amax);
                },
                "count is 9223372036854775807; allowed are 0 to 2305843009213693951"},
        Refusal{
            "OtherSourceType",
            [](Call& c) {
                return c.run(NBIT_DATA_TYPE_FLOAT64, c.source.data(), 2, bfloat16, c.target.data(), &c.scale, &c.amax);
            },
            "source_type is 7 (float64); allowed are float32 (6), float16 (5), bfloat16 (15), float8_e4m3fn (24) and "
            "float8_e5m2 (23)"},
        Refusal{"OtherTargetType",
                [](Call& c) {
                    return c.run(float32, c.source.data(), 2, NBIT_DATA_TYPE_INT8, c.target.data(), &c.scale, &c.amax);
                },
                "target_type is 1 (int8); allowed are float32 (6)"},
        Refusal{"UnknownType",
                [](Call& c) { return c.run(float32, c.source.data(), 2, 99, c.target.data(), &c.scale, &c.amax); },
                "target_type is 99"},
        Refusal{"Float8ToFloat8",
                [](Call& c) { return c.run(e4m3, c.source.data(), 4, e5m2, c.target.data(), &c.scale, &c.amax); },
                "source_type is 24 (float8_e4m3fn) and target_type is 23 (float8_e5m2); one of the two must be one of "
                "float32 (6), float16 (5), bfloat16 (15)"},
        Refusal{"NaNScale",
                [](Call& c) {
                    c.scale = nan;
                    return c.run();
                },
                "scale is nan; it must be finite"},
        Refusal{"InfiniteScale",
                [](Call& c) {
                    c.scale = -infinity;
                    return c.run();
                },
                "scale is -inf; it must be finite"},
        Refusal{"InPlace",
                [](Call& c) { return c.run(float32, c.source.data(), 4, float32, c.source.data(), &c.scale, &c.amax); },
                "target (16 bytes) overlaps source (16 bytes)"},
        Refusal{"TargetEndsInSource",
                [](Call& c) { return c.run(float32, &c.source[1], 3, bfloat16, &c.source[0], &c.scale, &c.amax); },
                "target (6 bytes) overlaps source (12 bytes)"},
        Refusal{"TargetBeginsInSource",
                [](Call& c) {
                    return c.run(bfloat16, &c.source[0], 4, e4m3, reinterpret_cast<char*>(&c.source[0]) + 7, &c.scale,
                                 &c.amax);
                },
                "target (4 bytes) overlaps source (8 bytes)"},
        Refusal{"ScaleInTarget",
                [](Call& c) { return c.run(float32, &c.source[0], 1, float32, &c.source[1], &c.source[1], &c.amax); },
                "target (4 bytes) overlaps scale (4 bytes)"},
        Refusal{"AmaxInTarget",
                [](Call& c) { return c.run(float32, &c.source[0], 1, float32, &c.source[1], &c.scale, &c.source[1]); },
                "target (4 bytes) overlaps amax (4 bytes)"},
        Refusal{"AmaxInSource",
                [](Call& c) {
                    return c.run(float32, c.source.data(), 4, bfloat16, c.target.data(), &c.scale, &c.source[3]);
                },
                "amax (4 bytes) overlaps source (16 bytes)"},
        Refusal{
            "AmaxIsScale",
            [](Call& c) { return c.run(float32, c.source.data(), 4, bfloat16, c.target.data(), &c.scale, &c.scale); },
            "amax (4 bytes) overlaps scale (4 bytes)"}),
    [](const auto& test) { return test.param.name; });

TEST(ValuesCast, ReportsAPoolThatFails)
{
    const Context context = cpu_context(2);
    const std::vector<float> source(1 << 20, 1.0f);
    Bytes target(source.size());
    float amax = 0.5f;
    nbit_parallel_set_backend([](int64_t, int64_t, int64_t, void (*)(int64_t, int64_t, void*), void*) { return 5; });
    const int32_t status =
        nbit_values_cast(context.get(), float32, source.data(), 1 << 20, e4m3, target.data(), nullptr, &amax);
    nbit_parallel_set_backend(nullptr);
    EXPECT_EQ(status, NBIT_STATUS_INTERNAL_ERROR);
    EXPECT_EQ(amax, 0.5f);
}

TEST(ValuesCast, RunsOnManyThreadsWithOneContext)
{
    const Context context = cpu_context(2);
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 4; ++caller)
        callers.emplace_back([&, caller] {
            const std::vector<float> source(1 << 20, static_cast<float>(caller + 1));
            std::vector<uint16_t> target(source.size());
            float amax = 0;
            EXPECT_EQ(nbit_values_cast(context.get(), float32, source.data(), 1 << 20, bfloat16, target.data(), nullptr,
                                       &amax),
                      NBIT_STATUS_OK);
            EXPECT_EQ(amax, caller + 1);
            EXPECT_EQ(target.back(), float_bits(amax) >> 16);
        });
    for (std::thread& caller : callers)
        caller.join();
}

#if defined(__x86_64__)
TEST(ValuesCast, KeepsDenormalsWhateverTheModeOfTheCallingThread)
{
    const Bytes source = spread_floats({1 << 16});
    for (int set = NBIT_INSTRUCTION_SET_SCALAR; set <= best_instruction_set(); ++set) {
        const ForcedInstructionSet forced(static_cast<nbit_instruction_set>(set));
        const Context context = cpu_context(1);
        for (const int32_t type : cast_formats) {
            const Pair pair{float32, type};
            const float scale = 1e-3f;
            const Outcome expected = run(reference::casts, pair, source, scale, false);
            Outcome found{Bytes(expected.target.size()), 0};
            int32_t status;
            {
                const OddFloatMode odd;
                status = nbit_values_cast(context.get(), float32, source.data(), 1 << 16, type, found.target.data(),
                                          &scale, &found.amax);
            }
            EXPECT_EQ(status, NBIT_STATUS_OK);
            EXPECT_TRUE(same(expected, found, pair, source)) << name_of(pair);
        }
    }
}
#endif

} // namespace
} // namespace nbit::test
