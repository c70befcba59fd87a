// The reference twin of 4-bit blocks against the definition of the codes.
#include "blocks4_cases.h"

#include <algorithm>

namespace nbit::test
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32;
const float nan = std::numeric_limits<float>::quiet_NaN();

class Reference4 : public testing::TestWithParam<Code4>
{
protected:
    const Code4& code() const { return GetParam(); }
    const Blocks4Kernels& kernels() const { return reference::blocks4.of(code().quant_type); }
    bool is_fp4() const { return code().quant_type == NBIT_QUANT_TYPE_FP4; }

    Quantized4 quantized(const std::vector<float>& numbers, int64_t blocksize = 64) const
    {
        return quantize(kernels(), float32, bytes_of(numbers), blocksize, false);
    }
    std::vector<float> back(const Quantized4& from, int64_t count, int64_t blocksize = 64) const
    {
        return elements_of<float>(dequantize(kernels(), from, float32, count, blocksize, false));
    }
};

TEST_P(Reference4, ChoosesTheNearestNumber)
{
    std::vector<float> numbers = random_numbers(Numbers::ordinary, 1 << 14, 1);
    const Quantized4 found = quantized(numbers);
    for (size_t i = 0; i < numbers.size(); ++i) {
        const double quotient = static_cast<double>(numbers[i]) / static_cast<double>(found.absmax[i / 64]);
        const auto distance = [&](int c) {
            return std::fabs(static_cast<double>(code().values[static_cast<size_t>(c)]) - quotient);
        };
        const int chosen = code_at(found.packed, static_cast<int64_t>(i));
        for (int other = 0; other < 16; ++other) // the rounded thresholds of fp4 are off by up to 4e-7
            ASSERT_LE(distance(chosen), distance(other) + 1e-6) << numbers[i];
    }
}

TEST_P(Reference4, KeepsTheLargestMagnitudeOfEachBlock)
{
    const std::vector<float> numbers = random_numbers(Numbers::of_all_magnitudes, 1000, 2);
    for (const int64_t blocksize : {32, 64, 512}) {
        const Quantized4 found = quantized(numbers, blocksize);
        for (size_t block = 0; block < found.absmax.size(); ++block) {
            float largest = 0;
            for (size_t i = block * static_cast<size_t>(blocksize);
                 i < std::min(numbers.size(), (block + 1) * static_cast<size_t>(blocksize)); ++i)
                largest = std::max(largest, std::fabs(numbers[i]));
            EXPECT_EQ(found.absmax[block], largest);
        }
    }
}

TEST_P(Reference4, TakesTheLowerCodeOrTheSmallerMagnitudeAtAThreshold)
{
    for (size_t i = 0; i < code().thresholds.size(); ++i) {
        const float threshold = code().thresholds[i], above = std::nextafter(threshold, 2.0f);
        const Quantized4 found = quantized({threshold, above, -threshold, -above, 1});
        const std::vector<float> numbers = back(found, 5);
        EXPECT_LT(numbers[0], threshold);
        EXPECT_GT(numbers[1], threshold);
        if (!is_fp4()) continue;
        EXPECT_EQ(numbers[2], -numbers[0]);
        EXPECT_EQ(numbers[3], -numbers[1]);
        EXPECT_EQ(code_at(found.packed, 2), code_at(found.packed, 0) | 8);
    }
}

TEST_P(Reference4, HoldsTheCodeOfZeroForZerosAndAfterAnOddCount)
{
    const int zero = is_fp4() ? 0x00 : 0x77;
    const Quantized4 found = quantized({0, -0.0f, 0});
    EXPECT_EQ(found.packed, (Bytes{static_cast<unsigned char>(zero), static_cast<unsigned char>(zero)}));
    EXPECT_EQ(float_bits(found.absmax[0]), 0u);
    for (const float x : back(found, 3))
        EXPECT_EQ(float_bits(x), 0u);
    EXPECT_EQ(code_at(quantized({5}).packed, 1), zero & 15);
    EXPECT_EQ(code_at(quantized({nan}).packed, 1), zero & 15);
}

TEST_P(Reference4, MakesABlockWithNaNAllNaNAndNoOther)
{
    std::vector<float> numbers(192, 0.5f);
    numbers[70] = nan;
    numbers[71] = infinity;
    const Quantized4 found = quantized(numbers);
    EXPECT_TRUE(std::isnan(found.absmax[1]));
    const std::vector<float> again = back(found, 192);
    for (size_t i = 0; i < numbers.size(); ++i)
        EXPECT_EQ(std::isnan(again[i]), i / 64 == 1) << i;
}

TEST_P(Reference4, KeepsInfinitiesWithTheirSign)
{
    const Quantized4 found = quantized({1, -infinity, infinity, -2});
    EXPECT_EQ(found.absmax[0], infinity);
    const std::vector<float> numbers = back(found, 4);
    EXPECT_EQ(numbers[1], -infinity);
    EXPECT_EQ(numbers[2], infinity);
    EXPECT_TRUE(std::isnan(numbers[0]));
    EXPECT_TRUE(std::isnan(numbers[3]));
}

TEST_P(Reference4, DoesNotDivideByLessThan1e38ButKeepsTheTrueAbsmax)
{
    const Quantized4 found = quantized({1e-39f, -1e-39f, 0});
    EXPECT_EQ(found.absmax[0], 1e-39f);
    const Quantized4 scaled = quantized({1e-39f * (1 / 1e-38f), -1e-39f * (1 / 1e-38f), 1}); // the same quotients
    EXPECT_EQ(code_at(found.packed, 0), code_at(scaled.packed, 0));
    EXPECT_EQ(code_at(found.packed, 1), code_at(scaled.packed, 1));
}

TEST_P(Reference4, RoundsEveryProductToTheTarget)
{
    Quantized4 every{{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}, {1.7f}};
    for (const int32_t type : number_formats) {
        std::vector<float> products;
        for (const float value : code().values)
            products.push_back(value * 1.7f);
        EXPECT_TRUE(same_bytes(rounded(type, products), dequantize(kernels(), every, type, 16, 64, false)));
    }
}

TEST_P(Reference4, RestoresAQuantizedAbsmaxFirst)
{
    std::vector<float> book(256), nested_absmax{0.75f, 3};
    for (size_t i = 0; i < book.size(); ++i)
        book[i] = static_cast<float>(i) / 255;
    const float offset = 0.1f;
    std::vector<uint8_t> codes(300);
    Quantized4 nested{Bytes(300 * 16, 0x3f), {}}, plain = nested;
    for (size_t block = 0; block < codes.size(); ++block) {
        codes[block] = static_cast<uint8_t>(block * 7);
        const float product = book[codes[block]] * nested_absmax[block / 256];
        plain.absmax.push_back(product + offset);
    }
    const BlockScales scales{nested_absmax.data(), codes.data(), {book.data(), offset}};
    for (const int64_t first : {0, 200}) { // the second time from the middle
        Bytes found(static_cast<size_t>((300 - first) * 32 * 4));
        kernels().dequantize.find(float32)(nested.packed.data(), scales.starting_at(first), (300 - first) * 32, 32,
                                           found.data(), false);
        Quantized4 rest = plain;
        rest.absmax.erase(rest.absmax.begin(), rest.absmax.begin() + first);
        EXPECT_TRUE(same_bytes(dequantize(kernels(), rest, float32, (300 - first) * 32, 32, false), found));
    }
}

INSTANTIATE_TEST_SUITE_P(Codes, Reference4, testing::ValuesIn(codes4()),
                         [](const auto& test) { return test.param.name; });

} // namespace
} // namespace nbit::test
