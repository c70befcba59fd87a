// Optimizers: the kernels of every instruction set against the reference twin.
#include "guarded.h"
#include "optimizer_cases.h"

#include <cmath>

namespace nbit::test
{
namespace
{

class OptimizerKernelsTest
    : public testing::TestWithParam<std::tuple<nbit_instruction_set, nbit_data_type, OptimizerCase>>
{
protected:
    void SetUp() override
    {
        if (!machine_has(set())) GTEST_SKIP() << "this machine lacks " << instruction_set_name(set());
    }
    nbit_instruction_set set() const { return std::get<0>(GetParam()); }
    int32_t type() const { return std::get<1>(GetParam()); }
    const OptimizerCase& which() const { return std::get<2>(GetParam()); }
    const OptimizerKernels& of(const OptimizersTable& table) const
    {
        return table.kernels[which().optimizer][which().is_quantized ? states8 : states32];
    }

    void expect_same_bits(const OptimizerNumbers& numbers, Numbers kind, int64_t count,
                          const uint64_t* seed = nullptr) const
    {
        const OptimizerTensor before(which(), type(), kind, count, 11);
        OptimizerTensor expected = before, found = before;
        std::vector<OptimizerNormSums> sums(static_cast<size_t>(before.blocks())), sums_found = sums;
        of(reference::optimizers).norms.find(type())(optimizer_books(), numbers, expected.part(), sums.data());
        of(optimizers_of(set())).norms.find(type())(optimizer_books(), numbers, found.part(), sums_found.data());
        ASSERT_TRUE(same_tensors(before, found)) << "norms changed something";
        for (size_t block = 0; block < sums.size(); ++block) {
            ASSERT_TRUE(same_sum(sums[block].parameters, sums_found[block].parameters)) << block << " of " << count;
            ASSERT_TRUE(same_sum(sums[block].direction, sums_found[block].direction)) << block << " of " << count;
        }
        for (int step = 0; step < 2; ++step) {
            OptimizerPart expected_part = expected.part(), found_part = found.part();
            for (OptimizerPart* part : {&expected_part, &found_part}) {
                part->first = 512;
                part->update_scale = 0.6f;
                part->rounding_seed = seed;
            }
            of(reference::optimizers).step.find(type())(optimizer_books(), numbers, expected_part);
            of(optimizers_of(set())).step.find(type())(optimizer_books(), numbers, found_part);
            ASSERT_TRUE(same_tensors(expected, found)) << count << " elements, step " << step;
        }
        ASSERT_FALSE(same_tensors(before, found)) << "nothing happened to " << count << " elements";
    }

private:
    static bool same_sum(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }
};

TEST_P(OptimizerKernelsTest, GiveTheBitsOfTheReferenceTwinForAllKindsOfGradients)
{
    for (const Numbers kind : kinds_of_numbers)
        for (const int64_t count : {1, 31, 64, 255, 256, 257, 2000})
            expect_same_bits(optimizer_numbers(), kind, count);
}

TEST_P(OptimizerKernelsTest, GiveTheBitsOfTheReferenceTwinForAllOptions)
{
    for (int options = 0; options < 16; ++options) {
        OptimizerNumbers numbers = optimizer_numbers();
        numbers.skip_zeros = options & 1;
        if (options & 2) numbers.weight_decay = 0;
        if (options & 4) numbers.epsilon = 0;
        numbers.prepare(options & 8 ? 1 : 100);
        for (const Numbers kind : {Numbers::ordinary, Numbers::special})
            expect_same_bits(numbers, kind, 700);
    }
}

TEST_P(OptimizerKernelsTest, RoundStochasticallyAsTheReferenceTwin)
{
    if (type() != NBIT_DATA_TYPE_BFLOAT16) return; // no other is rounded so
    const uint64_t seed = 12345;
    expect_same_bits(optimizer_numbers(), Numbers::special, 700, &seed);
}

template <class T> Guarded<unsigned char> guarded(const std::vector<T>& elements, int64_t shift)
{
    const Bytes bytes = bytes_of(elements);
    Guarded<unsigned char> memory(static_cast<int64_t>(bytes.size()), shift);
    std::copy(bytes.begin(), bytes.end(), memory.data());
    return memory;
}

TEST_P(OptimizerKernelsTest, WriteEveryLengthAtEveryPositionAndNothingElse)
{
    for (const int64_t count : {0, 1, 7, 63, 255, 256, 257, 300, 511, 513}) {
        OptimizerTensor expected(which(), type(), Numbers::ordinary, count, 13);
        auto parameters = guarded(expected.parameters, count % 5), state1 = guarded(expected.state1, count % 3);
        auto state2 = guarded(expected.state2, count % 7), absmax1 = guarded(expected.absmax1, 0);
        auto absmax2 = guarded(expected.absmax2, 0);
        OptimizerPart part = expected.part();
        const int64_t slow_state = static_cast<char*>(part.states[2]) - static_cast<char*>(part.states[0]);
        const int64_t slow_absmax = part.absmax[2] - part.absmax[0];
        of(reference::optimizers).step.find(type())(optimizer_books(), optimizer_numbers(), part);
        part.parameters = parameters.data();
        part.states[0] = state1.data();
        part.states[1] = state2.data();
        part.states[2] = state1.data() + slow_state;
        part.absmax[0] = reinterpret_cast<float*>(absmax1.data());
        part.absmax[1] = reinterpret_cast<float*>(absmax2.data());
        part.absmax[2] = part.absmax[0] + slow_absmax;
        of(optimizers_of(set())).step.find(type())(optimizer_books(), optimizer_numbers(), part);
        ASSERT_TRUE(same_bytes(expected.parameters, parameters.bytes())) << count;
        ASSERT_TRUE(same_bytes(expected.state1, state1.bytes())) << count;
        ASSERT_TRUE(same_bytes(expected.state2, state2.bytes())) << count;
        ASSERT_TRUE(same_bytes(bytes_of(expected.absmax1), absmax1.bytes())) << count;
        ASSERT_TRUE(same_bytes(bytes_of(expected.absmax2), absmax2.bytes())) << count;
        for (const Guarded<unsigned char>* memory : {&parameters, &state1, &state2, &absmax1, &absmax2})
            ASSERT_TRUE(memory->is_intact()) << count;
    }
}

INSTANTIATE_TEST_SUITE_P(All, OptimizerKernelsTest,
                         testing::Combine(testing::ValuesIn(all_instruction_sets()), testing::ValuesIn(number_formats),
                                          testing::ValuesIn(optimizer_cases())),
                         [](const auto& test) {
                             return std::string(instruction_set_name(std::get<0>(test.param))) + "_" +
                                    data_type_name(std::get<1>(test.param)) + "_" + name_of(std::get<2>(test.param));
                         });

TEST(OptimizerBooks, KeepTheSignOfNegativeNumbersAndAreNearestOtherwise)
{
    const Codebook8& book = optimizer_books().with_sign;
    std::vector<float> numbers;
    for (const float x : elements_of<float>(spread_floats({1 << 18})))
        if (std::fabs(x) <= 1) numbers.push_back(x);
    add_with_neighbours(numbers, 0.0f);
    numbers.push_back(-0.0f);
    for (const float x : numbers) {
        const uint8_t nearest = nearest_code(book.value, x);
        ASSERT_EQ(count_below(book.thresholds.at, x), x < 0 && nearest == book.zero ? nearest - 1 : nearest)
            << std::hexfloat << x;
    }
}

TEST(OptimizerBooks, FitTheFastEncoders)
{
    for (const Codebook8* book : {&optimizer_books().with_sign, &optimizer_books().without_sign}) {
        EXPECT_TRUE(book->lines.fit);
        EXPECT_TRUE(book->cells.hold_one_threshold);
    }
}

#if defined(__x86_64__)
TEST(OptimizersTables, AreTheInstructionSetsOwn)
{
    EXPECT_EQ(&optimizers_of(NBIT_INSTRUCTION_SET_SCALAR), &scalar::optimizers);
    EXPECT_EQ(&optimizers_of(NBIT_INSTRUCTION_SET_AVX2), &avx2::optimizers);
    EXPECT_EQ(&optimizers_of(NBIT_INSTRUCTION_SET_AVX512), &avx512::optimizers);
    EXPECT_EQ(&optimizers_of(NBIT_INSTRUCTION_SET_AVX512BF16), &avx512bf16::optimizers);
}
#endif

} // namespace
} // namespace nbit::test
