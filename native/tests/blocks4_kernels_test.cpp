// The 4-bit block kernels of every instruction set against the reference twin, bit for bit.
#include "blocks4_cases.h"

#include <algorithm>

namespace nbit::test
{
namespace
{

using Parameters = std::tuple<nbit_instruction_set, Code4, nbit_data_type>;

class BlockKernels4 : public testing::TestWithParam<Parameters>
{
protected:
    void SetUp() override
    {
        if (!machine_has(set())) GTEST_SKIP() << "this machine lacks " << instruction_set_name(set());
    }
    nbit_instruction_set set() const { return std::get<0>(GetParam()); }
    const Code4& code() const { return std::get<1>(GetParam()); }
    int32_t type() const { return std::get<2>(GetParam()); }
    const Blocks4Kernels& kernels() const { return blocks4_of(set()).of(code().quant_type); }
    const Blocks4Kernels& expected_kernels() const { return reference::blocks4.of(code().quant_type); }

    // Both ways, where the second one starts from what the reference twin made.
    void expect_same_bits(const Bytes& source, int64_t blocksize) const
    {
        const int64_t count = static_cast<int64_t>(source.size()) / data_type_size(type());
        const Quantized4 expected = quantize(expected_kernels(), type(), source, blocksize, false);
        const Bytes numbers = dequantize(expected_kernels(), expected, type(), count, blocksize, false);
        for (const bool stream : {false, true}) {
            ASSERT_TRUE(same(expected, quantize(kernels(), type(), source, blocksize, stream)))
                << count << " elements, blocksize " << blocksize;
            ASSERT_TRUE(same_bytes(numbers, dequantize(kernels(), expected, type(), count, blocksize, stream)))
                << count << " elements, blocksize " << blocksize;
        }
    }
};

TEST_P(BlockKernels4, GiveTheBitsOfTheReferenceTwinForAllKindsOfNumbers)
{
    for (const Numbers kind : kinds_of_numbers)
        for (int64_t blocksize = 32; blocksize <= 4096; blocksize *= 2)
            for (const int64_t count : {3 * 4096 + 77, 2 * 4096 + 32})
                expect_same_bits(rounded(type(), random_numbers(kind, count, static_cast<unsigned>(blocksize))),
                                 blocksize);
}

TEST_P(BlockKernels4, GiveTheBitsOfTheReferenceTwinWhereCodesChange)
{
    expect_same_bits(rounded(type(), numbers_near_changes(code())), 64);
}

TEST_P(BlockKernels4, GiveTheBitsOfTheReferenceTwinForEveryElement)
{
    if (type() == NBIT_DATA_TYPE_FLOAT32) return; // nbit_quantize_proof has the hours for it
    expect_same_bits(all_elements(type()), 64);
    for (const float absmax : {1.0f, 3.0f, 0.37f}) { // all that is smaller, beside it
        std::vector<float> numbers;
        for (const float x : widened(type(), all_elements(type()))) {
            if (!(std::fabs(x) <= absmax)) continue;
            if (numbers.size() % 64 == 0) numbers.push_back(absmax);
            numbers.push_back(x);
        }
        expect_same_bits(rounded(type(), numbers), 64);
    }
}

TEST_P(BlockKernels4, WriteEveryLengthAtEveryPositionAndNothingElse)
{
    constexpr int64_t longest = 200, guard = 128;
    const int64_t size = data_type_size(type());
    const auto untouched = [](unsigned char byte) { return byte == 0xa5; };
    const Bytes all = rounded(type(), random_numbers(Numbers::special, longest, 3));
    for (int64_t count = 0; count <= longest; ++count)
        for (const int64_t blocksize : {32, 64, 128}) {
            const int64_t shift = count % 5;
            Bytes from(all.begin(), all.begin() + count * size);
            const Quantized4 expected = quantize(expected_kernels(), type(), from, blocksize, false);
            from.insert(from.begin(), static_cast<size_t>(shift), 0);
            const auto bytes = static_cast<int64_t>(expected.packed.size());
            Bytes memory(static_cast<size_t>(guard + shift + bytes + guard), 0xa5);
            const auto begin = memory.begin() + guard + shift;
            Quantized4 found{{}, std::vector<float>(expected.absmax.size())};
            kernels().quantize.find(type())(from.data() + shift, count, blocksize, found.absmax.data(), &*begin,
                                            count % 2 == 0);
            found.packed.assign(begin, begin + bytes);
            ASSERT_TRUE(same(expected, found)) << count;
            ASSERT_TRUE(std::all_of(memory.begin(), begin, untouched)) << count;
            ASSERT_TRUE(std::all_of(begin + bytes, memory.end(), untouched)) << count;

            const Bytes numbers = dequantize(expected_kernels(), expected, type(), count, blocksize, false);
            Bytes target(static_cast<size_t>(guard + shift + count * size + guard), 0xa5);
            const auto first = target.begin() + guard + shift, last = first + count * size;
            kernels().dequantize.find(type())(&*begin, BlockScales{expected.absmax.data()}, count, blocksize, &*first,
                                              count % 2 == 0);
            ASSERT_TRUE(same_bytes(numbers, Bytes(first, last))) << count;
            ASSERT_TRUE(std::all_of(target.begin(), first, untouched)) << count;
            ASSERT_TRUE(std::all_of(last, target.end(), untouched)) << count;
        }
}

TEST_P(BlockKernels4, FindAbsmaxWhereverItIs)
{
    for (const int64_t blocksize : {32, 64, 256})
        for (int64_t at = 0; at < blocksize; ++at) {
            std::vector<float> numbers(static_cast<size_t>(blocksize), 0.5f);
            numbers[static_cast<size_t>(at)] = -1.75f;
            const Quantized4 found = quantize(kernels(), type(), rounded(type(), numbers), blocksize, false);
            ASSERT_EQ(found.absmax, std::vector<float>{1.75f}) << at;
        }
}

INSTANTIATE_TEST_SUITE_P(All, BlockKernels4,
                         testing::Combine(testing::ValuesIn(all_instruction_sets()), testing::ValuesIn(codes4()),
                                          testing::ValuesIn(number_formats)),
                         [](const auto& test) {
                             return std::string(instruction_set_name(std::get<0>(test.param))) + "_" +
                                    std::get<1>(test.param).name + "_" + data_type_name(std::get<2>(test.param));
                         });

#if defined(__x86_64__)
TEST(Blocks4Tables, AreTheInstructionSetsOwn)
{
    EXPECT_EQ(&blocks4_of(NBIT_INSTRUCTION_SET_SCALAR), &scalar::blocks4);
    EXPECT_EQ(&blocks4_of(NBIT_INSTRUCTION_SET_AVX2), &avx2::blocks4);
    EXPECT_EQ(&blocks4_of(NBIT_INSTRUCTION_SET_AVX512), &avx512::blocks4);
    EXPECT_EQ(&blocks4_of(NBIT_INSTRUCTION_SET_AVX512BF16), &avx512bf16::blocks4);
}
#endif

} // namespace
} // namespace nbit::test
