// What quantizers of scaled matrices are made of: the kernels of every instruction set against the reference twin, bit
// for bit.
#include "cast_cases.h"
#include "cpu/float8/scaled_rows.h"
#include "guarded.h"

#include <cmath>
#include <random>

namespace nbit::test
{
namespace
{

std::vector<float> factors(int64_t count, unsigned seed)
{
    std::vector<float> all = random_numbers(Numbers::of_all_magnitudes, count, seed);
    for (size_t i = 0; i < all.size(); i += 3)
        all[i] = 1;
    for (size_t i = 1; i < all.size(); i += 7)
        all[i] = 0x1p-127f;
    return all;
}

class ScaledRows : public testing::TestWithParam<std::tuple<nbit_instruction_set, nbit_data_type>>
{
protected:
    void SetUp() override
    {
        if (!machine_has(set())) GTEST_SKIP() << "this machine lacks " << instruction_set_name(set());
    }
    nbit_instruction_set set() const { return std::get<0>(GetParam()); }
    int32_t type() const { return std::get<1>(GetParam()); }
    const ScaledRowsTable& kernels() const { return scaled_rows_of(set()); }

    void expect_same_codes(int32_t format, const Bytes& source, const std::vector<float>& by) const
    {
        const auto count = static_cast<int64_t>(by.size());
        Bytes expected(by.size()), found(by.size());
        reference::scaled_rows.encoder(format, type())(source.data(), count, by.data(), expected.data());
        kernels().encoder(format, type())(source.data(), count, by.data(), found.data());
        ASSERT_TRUE(same_bytes(expected, found)) << data_type_name(format);
    }
};

TEST_P(ScaledRows, EncodeEveryElementAsTheTwinDoes)
{
    for (const int32_t format : code_formats) {
        Bytes source;
        if (type() == NBIT_DATA_TYPE_FLOAT32) {
            source = spread_floats({1 << 21});
            std::vector<float> ties;
            for (int code = 0; code < 255; ++code)
                for (const float step : {0x1p-9f, 0x1p-3f, 0.5f, 1.0f, 64.0f, 0x1p12f})
                    add_with_neighbours(ties, (static_cast<float>(code) / 2 - 60) * step);
            add_special_values(ties);
            const Bytes more = bytes_of(ties);
            source.insert(source.end(), more.begin(), more.end());
        } else {
            source = all_elements(type());
        }
        const int64_t count = static_cast<int64_t>(source.size()) / data_type_size(type());
        expect_same_codes(format, source, std::vector<float>(static_cast<size_t>(count), 1));
        expect_same_codes(format, source, factors(count, 1));
    }
}

TEST_P(ScaledRows, DecodeEveryCodeAsTheTwinDoes)
{
    for (const int32_t format : code_formats) {
        Bytes codes(256 * 8);
        for (size_t i = 0; i < codes.size(); ++i)
            codes[i] = static_cast<unsigned char>(i * 37);
        const int64_t count = static_cast<int64_t>(codes.size()) * (format == NBIT_DATA_TYPE_FLOAT4_E2M1FN_X2 ? 2 : 1);
        const std::vector<float> scales = factors(count, 2);
        Bytes expected(static_cast<size_t>(count * data_type_size(type()))), found = expected;
        reference::scaled_rows.decoder(format, type())(codes.data(), count, scales.data(), expected.data());
        kernels().decoder(format, type())(codes.data(), count, scales.data(), found.data());
        ASSERT_TRUE(same_numbers(type(), expected, found)) << data_type_name(format);
    }
}

TEST_P(ScaledRows, WriteEveryLengthAtEveryPositionAndNothingElse)
{
    constexpr int64_t longest = 140;
    const Bytes all = rounded(type(), random_numbers(Numbers::special, longest, 3));
    const std::vector<float> by = factors(longest, 4);
    for (const int32_t format : code_formats)
        for (int64_t count = 0; count <= longest; ++count) {
            const bool pairs = format == NBIT_DATA_TYPE_FLOAT4_E2M1FN_X2;
            Guarded<uint8_t> codes(count, count % 5);
            Bytes expected(static_cast<size_t>(count));
            kernels().encoder(format, type())(all.data(), count, by.data(), codes.data());
            reference::scaled_rows.encoder(format, type())(all.data(), count, by.data(), expected.data());
            ASSERT_TRUE(codes.is_intact()) << count;
            ASSERT_TRUE(same_bytes(expected, codes.bytes())) << count;

            const int64_t size = data_type_size(type()), bytes = pairs ? (count + 1) / 2 : count;
            const Bytes some(all.begin(), all.begin() + bytes);
            Guarded<char> target(count * size, count % 3);
            Bytes numbers(static_cast<size_t>(count * size));
            kernels().decoder(format, type())(some.data(), count, by.data(), target.data());
            reference::scaled_rows.decoder(format, type())(some.data(), count, by.data(), numbers.data());
            ASSERT_TRUE(target.is_intact()) << count;
            ASSERT_TRUE(same_numbers(type(), numbers, target.bytes())) << count;
        }
}

TEST_P(ScaledRows, RaiseTheLargestOfEveryColumn)
{
    for (const Numbers kind : kinds_of_numbers)
        for (const auto& [rows, columns] :
             std::vector<std::pair<int64_t, int64_t>>{{0, 5}, {1, 1}, {3, 64}, {4, 130}, {9, 33}, {128, 256}}) {
            const int64_t stride = columns + 3;
            const Bytes source = rounded(type(), random_numbers(kind, rows * stride, 5));
            std::vector<float> before = random_numbers(Numbers::ordinary, columns, 6);
            for (float& x : before)
                x = std::fabs(x);
            Guarded<float> largest(columns, 1);
            std::copy(before.begin(), before.end(), largest.data());
            std::vector<float> expected = before;
            kernels().raise.find(type())(source.data(), {rows, columns, stride}, largest.data());
            reference::scaled_rows.raise.find(type())(source.data(), {rows, columns, stride}, expected.data());
            ASSERT_TRUE(largest.is_intact());
            ASSERT_TRUE(same_bytes(bytes_of(expected), largest.bytes())) << rows << " x " << columns;
        }
}

INSTANTIATE_TEST_SUITE_P(All, ScaledRows,
                         testing::Combine(testing::ValuesIn(all_instruction_sets()), testing::ValuesIn(number_formats)),
                         [](const auto& test) {
                             return std::string(instruction_set_name(std::get<0>(test.param))) + "_" +
                                    data_type_name(std::get<1>(test.param));
                         });

class TransposedBytes : public testing::TestWithParam<nbit_instruction_set>
{
};

TEST_P(TransposedBytes, AreThoseOfTheTwinAndNothingElse)
{
    if (!machine_has(GetParam())) GTEST_SKIP() << "this machine lacks " << instruction_set_name(GetParam());
    std::mt19937 random(1);
    Bytes source(300 * 300);
    for (unsigned char& byte : source)
        byte = static_cast<unsigned char>(random());
    for (const int64_t rows : {1, 2, 15, 16, 17, 63, 64, 65, 128, 200})
        for (const int64_t columns : {1, 14, 16, 31, 64, 70, 129, 256}) {
            const int64_t stride = columns + 7, target_stride = rows + 5;
            Guarded<uint8_t> target(columns * target_stride, rows % 3);
            std::fill_n(target.data(), columns * target_stride, uint8_t{9});
            Bytes expected(static_cast<size_t>(columns * target_stride), 9);
            scaled_rows_of(GetParam())
                .transpose(source.data() + 1, {rows, columns, stride}, target.data(), target_stride);
            reference::scaled_rows.transpose(source.data() + 1, {rows, columns, stride}, expected.data(),
                                             target_stride);
            ASSERT_TRUE(target.is_intact());
            ASSERT_TRUE(same_bytes(expected, target.bytes())) << rows << " x " << columns;
        }
}

INSTANTIATE_TEST_SUITE_P(All, TransposedBytes, testing::ValuesIn(all_instruction_sets()),
                         [](const auto& test) { return std::string(instruction_set_name(test.param)); });

#if defined(__x86_64__)
TEST(ScaledRowsTables, AreTheInstructionSetsOwn)
{
    EXPECT_EQ(&scaled_rows_of(NBIT_INSTRUCTION_SET_SCALAR), &scalar::scaled_rows);
    EXPECT_EQ(&scaled_rows_of(NBIT_INSTRUCTION_SET_AVX2), &avx2::scaled_rows);
    EXPECT_EQ(&scaled_rows_of(NBIT_INSTRUCTION_SET_AVX512), &avx512::scaled_rows);
    EXPECT_EQ(&scaled_rows_of(NBIT_INSTRUCTION_SET_AVX512BF16), &avx512bf16::scaled_rows);
}
#endif

} // namespace
} // namespace nbit::test
