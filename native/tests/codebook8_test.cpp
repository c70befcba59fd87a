// The 8-bit rule and what is prepared from it.
#include "books.h"
#include "cpu/codebook8.h"
#include "inputs.h"

namespace nbit::test
{
namespace
{

class Codebooks : public testing::TestWithParam<Book>
{
protected:
    const std::vector<float>& values() const { return GetParam().values; }
    // Where codes change, and everywhere else that scaled elements can be
    std::vector<float> inputs() const
    {
        std::vector<float> floats = floats_near_changes(values());
        for (const float x : elements_of<float>(spread_floats({1 << 16})))
            if (std::fabs(x) <= std::nextafter(1.0f, 2.0f)) floats.push_back(x);
        return floats;
    }
};

TEST_P(Codebooks, SearchFindsTheNearestNumberAndHalfwayTheEvenCode)
{
    for (const float x : inputs())
        ASSERT_EQ(values()[nearest_code(values().data(), x)], nearest_value(values(), x)) << std::hexfloat << x;
}

TEST_P(Codebooks, ThresholdsAreTheRule)
{
    const Codebook8 book(values().data());
    for (const float x : inputs())
        ASSERT_EQ(count_below(book.thresholds.at, x), nearest_code(values().data(), x)) << std::hexfloat << x;
    EXPECT_EQ(book.zero, nearest_code(values().data(), 0.0f));
}

TEST_P(Codebooks, CellsHoldAtMostOneThresholdOrAreNotUsed)
{
    const Codebook8 book(values().data());
    EXPECT_EQ(book.cells.hold_one_threshold, GetParam().has_cells);
    if (!GetParam().has_cells) return;
    for (const float x : inputs()) {
        if (std::fabs(x) > std::nextafter(1.0f, 2.0f)) continue;
        const uint8_t lowest = book.cells.lowest_code[code_cell(x)];
        ASSERT_EQ(lowest + (book.thresholds.at[lowest] < x), nearest_code(values().data(), x)) << std::hexfloat << x;
    }
}

TEST_P(Codebooks, LinesAreOfUseForTheDynamicMapsOnly)
{
    const Codebook8 book(values().data());
    EXPECT_EQ(book.lines.fit, GetParam().is_dynamic);
}

TEST_P(Codebooks, PlanesHoldTheBytes)
{
    const Codebook8 book(values().data());
    const auto joined = [](const BytePlanes& planes, int i) {
        uint32_t bits = 0;
        for (int b = 3; b >= 0; --b)
            bits = bits << 8 | planes.byte[b][i];
        return bits_float(bits);
    };
    for (int i = 0; i < 256; ++i) {
        EXPECT_EQ(joined(book.value_planes, i), values()[static_cast<size_t>(i)]);
        EXPECT_EQ(joined(book.threshold_planes, i), i ? book.thresholds.at[i - 1] : -infinity);
    }
}

INSTANTIATE_TEST_SUITE_P(All, Codebooks, testing::ValuesIn(books()), [](const auto& test) { return test.param.name; });

TEST(DynamicMaps, AreThePublishedOnes)
{
    const float *with_sign = dynamic_map(true), *without_sign = dynamic_map(false);
    for (int i = 1; i < 256; ++i) {
        EXPECT_LT(with_sign[i - 1], with_sign[i]);
        EXPECT_LT(without_sign[i - 1], without_sign[i]);
    }
    EXPECT_FLOAT_EQ(with_sign[0], -0.99296875f); // the highest of 64 in the highest decade, and no -1
    EXPECT_EQ(with_sign[127], 0);
    EXPECT_FLOAT_EQ(with_sign[128], 5.5e-7f); // the only one in the lowest decade: halfway between 0.1 and 1
    EXPECT_EQ(with_sign[255], 1);
    EXPECT_EQ(without_sign[0], 0);
    EXPECT_FLOAT_EQ(without_sign[1], 3.25e-7f);
    EXPECT_EQ(without_sign[255], 1);
}

} // namespace
} // namespace nbit::test
