// Products with a 4-bit weight of every instruction set against the reference twin, whose sums are float64.
#include "linear4_cases.h"

#include <cmath>

namespace nbit::test
{
namespace
{

using Parameters = std::tuple<nbit_instruction_set, nbit_data_type, nbit_data_type, Direction>;

double half_ulp(int32_t type) // of numbers around 1
{
    return type == NBIT_DATA_TYPE_FLOAT32 ? 0x1p-24 : type == NBIT_DATA_TYPE_FLOAT16 ? 0x1p-11 : 0x1p-8;
}

class Linear4Kernels : public testing::TestWithParam<Parameters>
{
protected:
    void SetUp() override
    {
        if (!machine_has(set())) GTEST_SKIP() << "this machine lacks " << instruction_set_name(set());
    }
    nbit_instruction_set set() const { return std::get<0>(GetParam()); }
    int32_t compute_type() const { return std::get<1>(GetParam()); }
    int32_t type() const { return std::get<2>(GetParam()); }
    Direction direction() const { return std::get<3>(GetParam()); }

    // Kernels for few rows round the numbers of the code, or nothing, instead of the dequantized weight.
    bool rounds_weights(const Shape4& shape) const
    {
        if (compute_type() == NBIT_DATA_TYPE_FLOAT32) return false;
        if (direction() == Direction::backward || set() == NBIT_INSTRUCTION_SET_SCALAR) return true;
        if (shape.rows <= 16) return false;
        const bool may_be_fused = set() == NBIT_INSTRUCTION_SET_AVX512BF16 && compute_type() == NBIT_DATA_TYPE_BFLOAT16;
        return !(may_be_fused && shape.rows <= 32 && shape.in_features % 32 == 0);
    }

    void expect_close(const Shape4& shape, unsigned seed) const
    {
        Problem4 problem(shape, compute_type(), type(), direction(), Operands::ordinary, seed);
        const std::vector<float> expected = widened(type(), problem.run(reference::linear4));
        const std::vector<float> found = widened(type(), problem.run(linear4_of(set())));
        // A float32 sum of n terms in any order is off by at most n half ulps of the sum of their magnitudes, and the
        // scaling of partial sums adds two more. Where twin and kernel round W at different places, each term differs
        // by up to twice that rounding. The last roundings then differ by one step each.
        const double sum_error = static_cast<double>(problem.depth() + 4) * 0x1p-24;
        const double term_error = rounds_weights(shape) ? 0 : 2 * half_ulp(compute_type());
        const double step = 2 * half_ulp(compute_type()) + 2 * half_ulp(type());
        for (int64_t row = 0; row < shape.rows; ++row)
            for (int64_t column = 0; column < problem.width(); ++column) {
                const auto at = static_cast<size_t>(row * problem.width() + column);
                const double bound = (sum_error + term_error) * problem.magnitude(row, column) +
                                     step * std::fabs(static_cast<double>(expected[at])) + 0x1p-23;
                ASSERT_NEAR(found[at], expected[at], bound) << shape << ", row " << row << ", column " << column;
            }
    }

    void expect_exact(const Shape4& shape, unsigned seed) const
    {
        Problem4 problem(shape, compute_type(), type(), direction(), Operands::exact, seed);
        ASSERT_TRUE(same_bytes(problem.run(reference::linear4), problem.run(linear4_of(set())))) << shape;
    }
};

TEST_P(Linear4Kernels, AreCloseToTheReferenceTwin)
{
    unsigned seed = 0;
    for (const int64_t rows : {1, 2, 3, 4, 5, 8, 11, 13, 16, 17, 32, 33, 47})
        for (const bool is_regular : {true, false, false}) {
            ++seed;
            expect_close(random_shape(seed, rows, is_regular), seed);
        }
}

TEST_P(Linear4Kernels, AreCloseForRowsThatBeginAnywhere)
{
    for (int64_t in = 1; in <= 70; ++in)
        for (const int64_t rows : {1, 6})
            expect_close({rows, 33, in, 32, NBIT_QUANT_TYPE_NF4, in % 2 == 0, in % 3 == 0}, static_cast<unsigned>(in));
    for (const int64_t in : {127, 129, 516, 1028, 2049})
        for (const int64_t rows : {1, 4, 5})
            expect_close({rows, 130, in, 64, NBIT_QUANT_TYPE_FP4, in % 2 == 0, true}, static_cast<unsigned>(in));
}

TEST_P(Linear4Kernels, AreCloseForEveryBlocksizeAndMoreBlocksThanOneNestedAbsmaxHas)
{
    unsigned seed = 100;
    for (int64_t blocksize = 32; blocksize <= 4096; blocksize *= 2)
        for (const int64_t in : {416, 419})
            for (const int64_t rows : {1, 7})
                expect_close({rows, 64, in, blocksize, NBIT_QUANT_TYPE_NF4, true, false}, ++seed);
}

TEST_P(Linear4Kernels, GiveTheBitsOfTheReferenceTwinWhereSumsAreExact)
{
    unsigned seed = 200;
    for (const int64_t rows : {1, 17, 33, 50})
        for (const int64_t in : {32, 50, 96, 160, 193})
            for (const bool is_nested : {false, true}) {
                const Shape4 shape{rows, 33 + in % 3, in, 64, NBIT_QUANT_TYPE_NF4, is_nested, in % 2 == 0};
                if (rounds_weights(shape)) expect_exact(shape, ++seed);
            }
}

TEST_P(Linear4Kernels, KeepInfinitiesAndNanToTheElementsThatDependOnThem)
{
    for (const int64_t rows : {1, 3, 9, 34})
        for (const int64_t in : {50, 64, 100})
            for (const float special : {infinity, std::numeric_limits<float>::quiet_NaN()}) {
                Problem4 problem({rows, 33, in, 32, NBIT_QUANT_TYPE_NF4, false, true}, compute_type(), type(),
                                 direction(), Operands::ordinary, 5);
                problem.absmax()[7] = special;
                problem.set_x((rows / 2) * problem.depth() + 11, special);
                const std::vector<float> expected = widened(type(), problem.run(reference::linear4));
                const std::vector<float> found = widened(type(), problem.run(linear4_of(set())));
                for (size_t i = 0; i < expected.size(); ++i)
                    ASSERT_EQ(std::isfinite(found[i]), std::isfinite(expected[i])) << rows << ", " << in << ", " << i;
            }
}

INSTANTIATE_TEST_SUITE_P(All, Linear4Kernels,
                         testing::Combine(testing::ValuesIn(all_instruction_sets()), testing::ValuesIn(number_formats),
                                          testing::ValuesIn(number_formats),
                                          testing::Values(Direction::forward, Direction::backward)),
                         [](const auto& test) {
                             return std::string(instruction_set_name(std::get<0>(test.param))) + "_" +
                                    data_type_name(std::get<1>(test.param)) + "_of_" +
                                    data_type_name(std::get<2>(test.param)) +
                                    (std::get<3>(test.param) == Direction::forward ? "_forward" : "_backward");
                         });

#if defined(__x86_64__)
TEST(Linear4Tables, AreTheInstructionSetsOwn)
{
    EXPECT_EQ(&linear4_of(NBIT_INSTRUCTION_SET_SCALAR), &scalar::linear4);
    EXPECT_EQ(&linear4_of(NBIT_INSTRUCTION_SET_AVX2), &avx2::linear4);
    EXPECT_EQ(&linear4_of(NBIT_INSTRUCTION_SET_AVX512), &avx512::linear4);
    EXPECT_EQ(&linear4_of(NBIT_INSTRUCTION_SET_AVX512BF16), &avx512bf16::linear4);
}
#endif

} // namespace
} // namespace nbit::test
