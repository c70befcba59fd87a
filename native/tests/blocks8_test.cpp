// 8-bit blocks: the reference twin against the definition, and the kernels of every instruction set against the twin.
#include "books.h"
#include "cpu/blocks8.h"
#include "inputs.h"

#include <algorithm>

namespace nbit::test
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32;
const float nan = std::numeric_limits<float>::quiet_NaN();

struct Quantized8 {
    Bytes codes;
    std::vector<float> absmax;
};

Quantized8 quantize(const Blocks8Table& kernels, const Codebook8& book, int32_t type, const Bytes& source,
                    int64_t blocksize, bool stream)
{
    const int64_t count = static_cast<int64_t>(source.size()) / data_type_size(type);
    Quantized8 result{Bytes(static_cast<size_t>(count)),
                      std::vector<float>(static_cast<size_t>((count + blocksize - 1) / blocksize))};
    kernels.quantize.find(type)(book, source.data(), count, blocksize, result.codes.data(), result.absmax.data(),
                                stream);
    return result;
}

Bytes dequantize(const Blocks8Table& kernels, const Codebook8& book, const Quantized8& quantized, int32_t type,
                 int64_t blocksize, bool stream)
{
    Bytes target(quantized.codes.size() * static_cast<size_t>(data_type_size(type)));
    kernels.dequantize.find(type)(book, quantized.codes.data(), quantized.absmax.data(),
                                  static_cast<int64_t>(quantized.codes.size()), blocksize, target.data(), stream);
    return target;
}

class Reference8 : public testing::TestWithParam<Book>
{
protected:
    const Codebook8 book_{GetParam().values.data()};

    Quantized8 quantized(const std::vector<float>& numbers, int64_t blocksize = 64) const
    {
        return quantize(reference::blocks8, book_, float32, bytes_of(numbers), blocksize, false);
    }
    std::vector<float> back(const Quantized8& from, int64_t blocksize = 64) const
    {
        return elements_of<float>(dequantize(reference::blocks8, book_, from, float32, blocksize, false));
    }
};

TEST_P(Reference8, ChoosesTheNearestNumberOfEachBlock)
{
    const std::vector<float> numbers = random_numbers(Numbers::of_all_magnitudes, 3000, 1);
    for (const int64_t blocksize : {64, 1000}) {
        const Quantized8 found = quantized(numbers, blocksize);
        for (size_t i = 0; i < numbers.size(); ++i) {
            const size_t first = i / static_cast<size_t>(blocksize) * static_cast<size_t>(blocksize);
            float largest = 0;
            for (size_t j = first; j < std::min(first + static_cast<size_t>(blocksize), numbers.size()); ++j)
                largest = std::max(largest, std::fabs(numbers[j]));
            const float absmax = found.absmax[i / static_cast<size_t>(blocksize)];
            ASSERT_EQ(absmax, largest);
            ASSERT_EQ(GetParam().values[found.codes[i]],
                      nearest_value(GetParam().values, numbers[i] * (1 / std::max(absmax, 1e-38f))));
        }
    }
}

TEST_P(Reference8, HoldsTheCodeOfZeroForZeros)
{
    const Quantized8 found = quantized({0, -0.0f, 0});
    EXPECT_EQ(found.codes, Bytes(3, book_.zero));
    EXPECT_EQ(float_bits(found.absmax[0]), 0u);
}

TEST_P(Reference8, MakesABlockWithNaNAllNaNAndNoOther)
{
    std::vector<float> numbers(192, 0.5f);
    numbers[70] = nan;
    numbers[71] = infinity;
    const std::vector<float> again = back(quantized(numbers));
    for (size_t i = 0; i < numbers.size(); ++i)
        EXPECT_EQ(std::isnan(again[i]), i / 64 == 1) << i;
}

TEST_P(Reference8, KeepsTheSignOfInfinitiesWhereItHasNumbersOfThatSign)
{
    const Quantized8 found = quantized({1, -infinity, infinity});
    EXPECT_EQ(found.absmax[0], infinity);
    const std::vector<float> numbers = back(found);
    EXPECT_EQ(numbers[1] == -infinity, GetParam().values.front() < 0);
    EXPECT_EQ(numbers[2] == infinity, GetParam().values.back() > 0);
}

TEST_P(Reference8, RoundsEveryProductToTheTarget)
{
    Quantized8 every{{}, {1.7f}};
    std::vector<float> products;
    for (int code = 0; code < 256; ++code) {
        every.codes.push_back(static_cast<unsigned char>(code));
        products.push_back(GetParam().values[static_cast<size_t>(code)] * 1.7f);
    }
    for (const int32_t type : number_formats)
        EXPECT_TRUE(
            same_bytes(rounded(type, products), dequantize(reference::blocks8, book_, every, type, 256, false)));
}

INSTANTIATE_TEST_SUITE_P(Books, Reference8, testing::ValuesIn(books()),
                         [](const auto& test) { return test.param.name; });

class BlockKernels8 : public testing::TestWithParam<std::tuple<nbit_instruction_set, nbit_data_type>>
{
protected:
    void SetUp() override
    {
        if (!machine_has(set())) GTEST_SKIP() << "this machine lacks " << instruction_set_name(set());
    }
    nbit_instruction_set set() const { return std::get<0>(GetParam()); }
    int32_t type() const { return std::get<1>(GetParam()); }
    const Blocks8Table& kernels() const { return blocks8_of(set()); }

    // Both ways, where the second one starts from what the reference twin made.
    void expect_same_bits(const Codebook8& book, const Bytes& source, int64_t blocksize) const
    {
        const Quantized8 expected = quantize(reference::blocks8, book, type(), source, blocksize, false);
        const Bytes numbers = dequantize(reference::blocks8, book, expected, type(), blocksize, false);
        for (const bool stream : {false, true}) {
            const Quantized8 found = quantize(kernels(), book, type(), source, blocksize, stream);
            ASSERT_TRUE(same_bytes(bytes_of(expected.absmax), bytes_of(found.absmax))) << "blocksize " << blocksize;
            ASSERT_TRUE(same_bytes(expected.codes, found.codes)) << "blocksize " << blocksize;
            ASSERT_TRUE(same_bytes(numbers, dequantize(kernels(), book, expected, type(), blocksize, stream)))
                << "blocksize " << blocksize;
        }
    }
};

TEST_P(BlockKernels8, GiveTheBitsOfTheReferenceTwinForAllKindsOfNumbers)
{
    for (const Book& book : books()) {
        const Codebook8 prepared(book.values.data());
        for (const Numbers kind : kinds_of_numbers)
            for (const int64_t blocksize : {1, 7, 32, 64, 100, 256, 1024, 4096, 5000})
                expect_same_bits(prepared, rounded(type(), random_numbers(kind, 2 * 4096 + 45, 5)), blocksize);
    }
}

TEST_P(BlockKernels8, GiveTheBitsOfTheReferenceTwinWhereCodesChange)
{
    for (const Book& book : books()) {
        const std::vector<float> quotients = floats_near_changes(book.values);
        for (const float absmax : {1.0f, 4.0f, 3.0f, 0.37f, 1e-20f, 3e38f, 1e-39f}) {
            std::vector<float> numbers;
            for (const float quotient : quotients) {
                if (numbers.size() % 64 == 0) numbers.push_back(absmax);
                numbers.push_back(std::fmin(std::fmax(quotient * absmax, -absmax), absmax));
            }
            expect_same_bits(Codebook8(book.values.data()), rounded(type(), numbers), 64);
        }
    }
}

TEST_P(BlockKernels8, GiveTheBitsOfTheReferenceTwinForEveryElement)
{
    if (type() == NBIT_DATA_TYPE_FLOAT32) return; // nbit_quantize_proof has the minutes for it
    const Codebook8 book(books().front().values.data());
    expect_same_bits(book, all_elements(type()), 64);
    std::vector<float> numbers;
    for (const float x : widened(type(), all_elements(type()))) { // all that is smaller than 1, beside it
        if (!(std::fabs(x) <= 1)) continue;
        if (numbers.size() % 64 == 0) numbers.push_back(1);
        numbers.push_back(x);
    }
    expect_same_bits(book, rounded(type(), numbers), 64);
}

TEST_P(BlockKernels8, WriteEveryLengthAtEveryPositionAndNothingElse)
{
    constexpr int64_t longest = 200, guard = 128;
    const Codebook8 book(books().front().values.data());
    const int64_t size = data_type_size(type());
    const auto untouched = [](unsigned char byte) { return byte == 0xa5; };
    const Bytes all = rounded(type(), random_numbers(Numbers::special, longest, 3));
    for (int64_t count = 0; count <= longest; ++count)
        for (const int64_t blocksize : {32, 50, 64, 128}) {
            const int64_t shift = count % 5;
            Bytes from(all.begin(), all.begin() + count * size);
            const Quantized8 expected = quantize(reference::blocks8, book, type(), from, blocksize, false);
            from.insert(from.begin(), static_cast<size_t>(shift), 0);
            Bytes memory(static_cast<size_t>(guard + shift + count + guard), 0xa5);
            const auto begin = memory.begin() + guard + shift, end = begin + count;
            std::vector<float> absmax(expected.absmax.size());
            kernels().quantize.find(type())(book, from.data() + shift, count, blocksize, &*begin, absmax.data(),
                                            count % 2 == 0);
            ASSERT_TRUE(same_bytes(bytes_of(expected.absmax), bytes_of(absmax))) << count;
            ASSERT_TRUE(same_bytes(expected.codes, Bytes(begin, end))) << count;
            ASSERT_TRUE(std::all_of(memory.begin(), begin, untouched)) << count;
            ASSERT_TRUE(std::all_of(end, memory.end(), untouched)) << count;

            const Bytes numbers = dequantize(reference::blocks8, book, expected, type(), blocksize, false);
            Bytes target(static_cast<size_t>(guard + shift + count * size + guard), 0xa5);
            const auto first = target.begin() + guard + shift, last = first + count * size;
            kernels().dequantize.find(type())(book, &*begin, absmax.data(), count, blocksize, &*first, count % 2 == 0);
            ASSERT_TRUE(same_bytes(numbers, Bytes(first, last))) << count;
            ASSERT_TRUE(std::all_of(target.begin(), first, untouched)) << count;
            ASSERT_TRUE(std::all_of(last, target.end(), untouched)) << count;
        }
}

INSTANTIATE_TEST_SUITE_P(All, BlockKernels8,
                         testing::Combine(testing::ValuesIn(all_instruction_sets()), testing::ValuesIn(number_formats)),
                         [](const auto& test) {
                             return std::string(instruction_set_name(std::get<0>(test.param))) + "_" +
                                    data_type_name(std::get<1>(test.param));
                         });

#if defined(__x86_64__)
TEST(Blocks8Tables, AreTheInstructionSetsOwn)
{
    EXPECT_EQ(&blocks8_of(NBIT_INSTRUCTION_SET_SCALAR), &scalar::blocks8);
    EXPECT_EQ(&blocks8_of(NBIT_INSTRUCTION_SET_AVX2), &avx2::blocks8);
    EXPECT_EQ(&blocks8_of(NBIT_INSTRUCTION_SET_AVX512), &avx512::blocks8);
    EXPECT_EQ(&blocks8_of(NBIT_INSTRUCTION_SET_AVX512BF16), &avx512bf16::blocks8);
}
#endif

} // namespace
} // namespace nbit::test
