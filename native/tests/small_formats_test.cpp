// E2M1, E8M0 and the rules that make scales of amax, by values worked out by hand.
#include "cpu/float8/scaling_rules.h"
#include "cpu/float8/stochastic_rounding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace nbit
{
namespace
{

constexpr float magnitudes[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
const float nan = std::numeric_limits<float>::quiet_NaN();

TEST(Float4E2M1Codes, StandForTheNumbersOfTheFormat)
{
    for (uint8_t code = 0; code < 8; ++code) {
        EXPECT_EQ(to_float(Float4E2M1{code}), magnitudes[code]);
        EXPECT_EQ(to_float(Float4E2M1{static_cast<uint8_t>(code | 8)}), -magnitudes[code]);
        EXPECT_EQ(from_float<Float4E2M1>(magnitudes[code]).bits, code);
        EXPECT_EQ(from_float<Float4E2M1>(-magnitudes[code]).bits, code | 8);
    }
    EXPECT_TRUE(std::signbit(to_float(Float4E2M1{8})));
}

TEST(Float4E2M1Codes, TiesGoToTheEvenOneAndOtherNumbersToTheNearest)
{
    for (int code = 0; code < 7; ++code) {
        const float halfway = (magnitudes[code] + magnitudes[code + 1]) / 2;
        EXPECT_EQ(from_float<Float4E2M1>(halfway).bits, code % 2 ? code + 1 : code) << halfway;
        EXPECT_EQ(from_float<Float4E2M1>(std::nextafter(halfway, 0.0f)).bits, code) << halfway;
        EXPECT_EQ(from_float<Float4E2M1>(std::nextafter(halfway, 9.0f)).bits, code + 1) << halfway;
    }
}

TEST(Float4E2M1Codes, SaturateAndHaveNoNaN)
{
    EXPECT_EQ(from_float<Float4E2M1>(7).bits, 7);
    EXPECT_EQ(from_float<Float4E2M1>(-infinity).bits, 15);
    EXPECT_EQ(from_float<Float4E2M1>(nan).bits, 7);
    EXPECT_EQ(from_float<Float4E2M1>(-nan).bits, 7);
    EXPECT_EQ(from_float<Float4E2M1>(-0.1f).bits, 8);
}

TEST(Float8E8M0Codes, ArePowersOfTwo)
{
    EXPECT_EQ(to_float(Float8E8M0{127}), 1);
    EXPECT_EQ(to_float(Float8E8M0{0}), 0x1p-127f);
    EXPECT_EQ(to_float(Float8E8M0{1}), 0x1p-126f);
    EXPECT_EQ(to_float(Float8E8M0{254}), 0x1p127f);
    EXPECT_TRUE(std::isnan(to_float(Float8E8M0{255})));
}

TEST(Float8E8M0Codes, RoundUp)
{
    for (int code = 1; code < 254; ++code) {
        const float power = to_float(Float8E8M0{static_cast<uint8_t>(code)});
        EXPECT_EQ(e8m0_rounded_up(power).bits, code);
        EXPECT_EQ(e8m0_rounded_up(std::nextafter(power, infinity)).bits, code + 1);
    }
    EXPECT_EQ(e8m0_rounded_up(0).bits, 0);
    EXPECT_EQ(e8m0_rounded_up(0x1p-149f).bits, 0);
    EXPECT_EQ(e8m0_rounded_up(0x1p-127f).bits, 0);
    EXPECT_EQ(e8m0_rounded_up(0x1.8p-127f).bits, 1);
    EXPECT_EQ(e8m0_rounded_up(std::numeric_limits<float>::max()).bits, 254);
    EXPECT_EQ(e8m0_rounded_up(infinity).bits, 254);
    EXPECT_EQ(e8m0_rounded_up(nan).bits, 255);
}

TEST(Mxfp8Scales, NeverLetABlockSaturate)
{
    for (const float largest : {448.0f, 57344.0f})
        for (const float amax : {448.0f, 449.0f, 1.0f, 3.0f, 57344.0f, 1e-30f, 1e30f}) {
            const Float8E8M0 scale = mxfp8_scale(amax, largest);
            EXPECT_LE(amax * mxfp8_factor(scale), largest) << amax;
            EXPECT_GT(amax * mxfp8_factor(scale), largest * 0.49f) << amax;
            EXPECT_EQ(mxfp8_factor(scale) * to_float(scale), 1) << amax;
        }
    EXPECT_EQ(mxfp8_scale(0, 448).bits, 0);
    EXPECT_EQ(mxfp8_scale(infinity, 448).bits, 254);
    EXPECT_EQ(mxfp8_factor(Float8E8M0{254}), 0x1p-127f);
}

TEST(Nvfp4Scales, UseTheWholeRangeOfTheLargestBlock)
{
    const Nvfp4Rule rule(12);
    const Float8E4M3 most = rule.scale(12), half = rule.scale(6);
    EXPECT_EQ(to_float(most), 448);
    EXPECT_EQ(to_float(half), 224);
    EXPECT_NEAR(rule.factor(most) * 12, 6, 1e-6);
    EXPECT_NEAR(rule.factor(half) * 6, 6, 1e-6);
    EXPECT_NEAR(6 * Nvfp4Rule::decoded(most, 12), 12, 1e-6);
    EXPECT_EQ(rule.scale(0).bits, 0);
    EXPECT_EQ(rule.factor(rule.scale(0)), largest_float);
}

TEST(Nvfp4Scales, OfAnAmaxThatIsZeroOrInfiniteAreThoseOfOne)
{
    for (const float amax : {0.0f, infinity}) {
        const Nvfp4Rule rule(amax);
        EXPECT_EQ(to_float(rule.scale(6)), 1);
        EXPECT_EQ(rule.factor(rule.scale(6)), 1);
    }
}

TEST(StochasticRounding, MeetsTheNumberOnAverage)
{
    constexpr int64_t count = 1 << 16;
    for (const float value : {0.1f, 0.5f, 0.7f, 1.3f, 1.9f, 2.25f, 3.9f, 5.5f, 0.0f, 6.0f}) {
        double sum = 0;
        for (int64_t i = 0; i < count; ++i)
            sum += static_cast<double>(to_float(rounded_stochastically_to_4_bits(-value, 99, i)));
        // The deviation of a rounding is at most half the widest step, 1: five of the mean's
        EXPECT_NEAR(sum / count, -static_cast<double>(value), 5.0 / 256) << value;
    }
}

TEST(StochasticRounding, GivesOneOfTheTwoNeighboursAndTheSameOneForTheSameSeed)
{
    for (int step = 0; step < 600; ++step) {
        const float value = static_cast<float>(step) / 100;
        int below = 0;
        while (below < 6 && magnitudes[below + 1] <= value)
            ++below;
        for (uint64_t seed = 0; seed < 8; ++seed) {
            const Float4E2M1 code = rounded_stochastically_to_4_bits(value, seed, step);
            EXPECT_TRUE(code.bits == below || (code.bits == below + 1 && value > magnitudes[below])) << value;
            EXPECT_EQ(code.bits, rounded_stochastically_to_4_bits(value, seed, step).bits);
        }
    }
}

TEST(StochasticRounding, DiffersBySeedAndByElement)
{
    const auto codes = [](uint64_t seed, int64_t first) {
        std::vector<uint8_t> found;
        for (int64_t i = 0; i < 64; ++i)
            found.push_back(rounded_stochastically_to_4_bits(1.25f, seed, first + i).bits);
        return found;
    };
    EXPECT_NE(codes(1, 0), codes(2, 0));
    EXPECT_NE(codes(1, 0), codes(1, 1));
}

TEST(StochasticRounding, SaturatesAndHasNoNaN)
{
    EXPECT_EQ(rounded_stochastically_to_4_bits(100, 1, 0).bits, 7);
    EXPECT_EQ(rounded_stochastically_to_4_bits(-infinity, 1, 0).bits, 15);
    EXPECT_EQ(rounded_stochastically_to_4_bits(nan, 1, 0).bits, 7);
    EXPECT_EQ(rounded_stochastically_to_4_bits(-0.0f, 1, 0).bits, 8);
}

} // namespace
} // namespace nbit
