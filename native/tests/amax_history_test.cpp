// Scales of delayed and current scaling.
#include "abi.h"
#include "cpu/formats.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace nbit::test
{
namespace
{

constexpr int32_t e4m3 = NBIT_DATA_TYPE_FLOAT8_E4M3FN, e5m2 = NBIT_DATA_TYPE_FLOAT8_E5M2;
constexpr float largest_float = std::numeric_limits<float>::max();
const float nan = std::numeric_limits<float>::quiet_NaN();

const char* name_of(nbit_history_rule rule)
{
    return rule == NBIT_HISTORY_RULE_FUSED ? "Fused" : rule == NBIT_HISTORY_RULE_UNFUSED ? "Unfused" : "SingleTensor";
}

struct History {
    std::vector<float> rows;
    std::vector<float> scale;
};

History updated(int32_t rule, int32_t algorithm, int32_t format, float margin, History history)
{
    const Context context = cpu_context(1);
    const auto columns = static_cast<int64_t>(history.scale.size());
    EXPECT_EQ(nbit_amax_history_update(context.get(), rule, algorithm, format, margin, history.rows.data(),
                                       static_cast<int64_t>(history.rows.size()) / columns, columns,
                                       history.scale.data()),
              NBIT_STATUS_OK)
        << last_error();
    return history;
}

class AmaxHistory : public testing::TestWithParam<nbit_history_rule>
{
protected:
    static float scale_after(const std::vector<float>& column, int32_t algorithm, float margin = 0, float before = 3)
    {
        return updated(GetParam(), algorithm, e4m3, margin, {column, {before}}).scale[0];
    }
};

TEST_P(AmaxHistory, RollsRowZeroToTheEnd)
{
    const History after = updated(GetParam(), NBIT_AMAX_ALGORITHM_MAX, e4m3, 0, {{1, 20, 2, 30, 3, 40, 4, 50}, {9, 9}});
    EXPECT_EQ(after.rows, (std::vector<float>{0, 0, 3, 40, 4, 50, 1, 20}));
    EXPECT_EQ(after.scale, (std::vector<float>{112, 448.0f / 50}));
}

TEST_P(AmaxHistory, TakesTheLargestOrTheMostRecentAmax)
{
    EXPECT_EQ(scale_after({2, 7, 1}, NBIT_AMAX_ALGORITHM_MAX), 64);
    EXPECT_EQ(scale_after({2, 7, 1}, NBIT_AMAX_ALGORITHM_MOST_RECENT), 224);
    EXPECT_EQ(scale_after({4}, NBIT_AMAX_ALGORITHM_MAX), 112);
}

TEST_P(AmaxHistory, DividesByTheMarginsPowerOfTwo)
{
    EXPECT_EQ(scale_after({1}, NBIT_AMAX_ALGORITHM_MAX, 2), 112);
    EXPECT_EQ(scale_after({1}, NBIT_AMAX_ALGORITHM_MAX, -1), 896);
    EXPECT_EQ(updated(GetParam(), NBIT_AMAX_ALGORITHM_MAX, e5m2, 0, {{1}, {1}}).scale[0], 57344);
}

TEST_P(AmaxHistory, KeepsTheScaleWhereAmaxIsInfiniteOrNaN)
{
    EXPECT_EQ(scale_after({infinity, 1}, NBIT_AMAX_ALGORITHM_MAX), 3);
    EXPECT_EQ(scale_after({infinity, 1}, NBIT_AMAX_ALGORITHM_MOST_RECENT), 3);
    EXPECT_EQ(scale_after({nan, 1}, NBIT_AMAX_ALGORITHM_MOST_RECENT), 3);
}

TEST_P(AmaxHistory, NaNInTheHistoryKeepsTheScaleOnlyOfTheUnfusedUpdate)
{
    EXPECT_EQ(scale_after({nan, 2}, NBIT_AMAX_ALGORITHM_MAX), GetParam() == NBIT_HISTORY_RULE_UNFUSED ? 3 : 224);
}

TEST_P(AmaxHistory, LeavesAColumnAloneWhoseRowZeroIsZeroOnlyWhenFused)
{
    const History before{{0, 8, 4}, {3}};
    const History after = updated(GetParam(), NBIT_AMAX_ALGORITHM_MAX, e4m3, 0, before);
    const bool fused = GetParam() == NBIT_HISTORY_RULE_FUSED;
    EXPECT_EQ(after.rows, fused ? before.rows : (std::vector<float>{0, 4, 0}));
    EXPECT_EQ(after.scale[0], fused ? 3 : 56);
}

TEST_P(AmaxHistory, ATinyAmaxGivesTheLargestFiniteScale)
{
    EXPECT_EQ(scale_after({1e-45f}, NBIT_AMAX_ALGORITHM_MAX), largest_float);
}

INSTANTIATE_TEST_SUITE_P(All, AmaxHistory,
                         testing::Values(NBIT_HISTORY_RULE_FUSED, NBIT_HISTORY_RULE_SINGLE_TENSOR,
                                         NBIT_HISTORY_RULE_UNFUSED),
                         [](const auto& test) { return std::string(name_of(test.param)); });

TEST(AmaxHistoryErrors, SayWhatIsAllowedAndChangeNothing)
{
    const Context context = cpu_context(1);
    std::vector<float> history{1, 2}, scale{3};
    const auto update = [&](int32_t rule, int32_t algorithm, int32_t format, float margin, int64_t length) {
        return nbit_amax_history_update(context.get(), rule, algorithm, format, margin, history.data(), length, 1,
                                        scale.data());
    };
    EXPECT_EQ(update(3, 0, e4m3, 0, 2), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(last_error(), "rule is 3; allowed are fused (0), single_tensor (1) and unfused (2)");
    EXPECT_EQ(update(0, -1, e4m3, 0, 2), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(last_error(), "algorithm is -1; allowed are max (0) and most_recent (1)");
    EXPECT_EQ(update(0, 0, NBIT_DATA_TYPE_FLOAT16, 0, 2), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(last_error(), "format is 5 (float16); allowed are float8_e4m3fn (24) and float8_e5m2 (23)");
    EXPECT_EQ(update(0, 0, e4m3, nan, 2), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(last_error(), "margin is nan; allowed are finite numbers (0 is usual)");
    EXPECT_EQ(update(0, 0, e4m3, 0, 0), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(last_error(), "length is 0; a history has 1 row or more (1024 are usual)");
    EXPECT_EQ(nbit_amax_history_update(context.get(), 0, 0, e4m3, 0, history.data(), 2, 1, history.data() + 1),
              NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(last_error(), "history (8 bytes) overlaps scale (4 bytes); give history memory of its own");
    EXPECT_EQ(history, (std::vector<float>{1, 2}));
    EXPECT_EQ(scale, std::vector<float>{3});
}

struct ScaleCase {
    const char* name;
    float amax;
    int32_t power_of_two;
    float epsilon, scale;
};

class ScaleFromAmax : public testing::TestWithParam<ScaleCase>
{
};

TEST_P(ScaleFromAmax, FollowsTheRule)
{
    const ScaleCase& one = GetParam();
    const Context context = cpu_context(1);
    float scale = 0, inverse = 0;
    ASSERT_EQ(nbit_scale_compute(context.get(), e4m3, one.power_of_two, one.epsilon, &one.amax, 1, &scale, &inverse),
              NBIT_STATUS_OK)
        << last_error();
    EXPECT_EQ(scale, one.scale);
    EXPECT_EQ(inverse, 1 / one.scale);
}

INSTANTIATE_TEST_SUITE_P(All, ScaleFromAmax,
                         testing::Values(ScaleCase{"Quotient", 3, 0, 0, 448.0f / 3}, ScaleCase{"Zero", 0, 0, 0, 1},
                                         ScaleCase{"Infinite", infinity, 0, 0, 1}, ScaleCase{"NaN", nan, 0, 0, 1},
                                         ScaleCase{"PowersRoundDown", 3, 1, 0, 128},
                                         ScaleCase{"APowerStays", 7, 1, 0, 64}, ScaleCase{"Epsilon", 0.5f, 0, 2, 224},
                                         ScaleCase{"ZeroHasEpsilon", 0, 0, 2, 224},
                                         ScaleCase{"Tiny", 1e-45f, 0, 0, largest_float},
                                         ScaleCase{"TinyPower", 1e-45f, 1, 0, 0x1p127f}),
                         [](const auto& test) { return test.param.name; });

TEST(ScaleFromAmaxErrors, SayWhatIsAllowedAndChangeNothing)
{
    const Context context = cpu_context(1);
    const float amax = 1;
    float scale = 5, inverse = 6;
    const auto compute = [&](int32_t format, int32_t power_of_two, float epsilon, float* to) {
        return nbit_scale_compute(context.get(), format, power_of_two, epsilon, &amax, 1, to, &inverse);
    };
    EXPECT_EQ(compute(44, 0, 0, &scale), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(last_error(), "format is 44 (float8_e8m0fnu); allowed are float8_e4m3fn (24) and float8_e5m2 (23)");
    EXPECT_EQ(compute(e4m3, 2, 0, &scale), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(last_error(), "power_of_two is 2; allowed are 0 and 1");
    EXPECT_EQ(compute(e4m3, 0, -1, &scale), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(last_error(), "epsilon is -1; allowed are finite numbers, 0 or more");
    EXPECT_EQ(compute(e4m3, 0, 0, &inverse), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(scale, 5);
    EXPECT_EQ(inverse, 6);
}

} // namespace
} // namespace nbit::test
