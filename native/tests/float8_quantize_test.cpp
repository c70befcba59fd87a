// Float8 with one scale through the ABI.
#include "abi.h"
#include "cast_cases.h"
#include "guarded.h"

#include <cmath>
#include <limits>

namespace nbit::test
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32, e4m3 = NBIT_DATA_TYPE_FLOAT8_E4M3FN;
constexpr int32_t e5m2 = NBIT_DATA_TYPE_FLOAT8_E5M2;
const float nan = std::numeric_limits<float>::quiet_NaN();

Bytes transposed(const Bytes& codes, int64_t rows, int64_t columns)
{
    Bytes result(codes.size());
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < columns; ++c)
            result[static_cast<size_t>(c * rows + r)] = codes[static_cast<size_t>(r * columns + c)];
    return result;
}

class Float8Quantize : public testing::TestWithParam<std::tuple<nbit_instruction_set, nbit_data_type>>
{
protected:
    void SetUp() override
    {
        if (!machine_has(set())) GTEST_SKIP() << "this machine lacks " << instruction_set_name(set());
    }
    nbit_instruction_set set() const { return std::get<0>(GetParam()); }
    int32_t type() const { return std::get<1>(GetParam()); }

    void expect_codes(const Bytes& source, int64_t rows, int64_t columns, int32_t format, float scale,
                      int32_t threads) const
    {
        const ForcedInstructionSet forced(set());
        const Context context = cpu_context(threads);
        const Outcome expected = run(reference::casts, {type(), format}, source, scale, false);
        for (const bool plain : {true, false})
            for (const bool turned : {true, false}) {
                if (!plain && !turned) continue;
                Guarded<uint8_t> codes(rows * columns, 1), turned_codes(rows * columns, 2);
                float inverse = 0, amax = 0;
                ASSERT_EQ(nbit_float8_quantize(context.get(), type(), source.data(), rows, columns, format, &scale,
                                               plain ? codes.data() : nullptr, turned ? turned_codes.data() : nullptr,
                                               &inverse, &amax),
                          NBIT_STATUS_OK)
                    << last_error();
                ASSERT_TRUE(codes.is_intact() && turned_codes.is_intact());
                if (plain) {
                    ASSERT_TRUE(same_bytes(expected.target, codes.bytes()));
                }
                if (turned) {
                    ASSERT_TRUE(same_bytes(transposed(expected.target, rows, columns), turned_codes.bytes()));
                }
                EXPECT_EQ(inverse, 1 / scale);
                EXPECT_EQ(float_bits(amax), float_bits(expected.amax));
            }
    }
};

TEST_P(Float8Quantize, GivesTheCodesOfTheTwinForEveryElement)
{
    for (const int32_t format : {e4m3, e5m2})
        for (const float scale : {1.0f, 0.37f, 0x1p40f, std::numeric_limits<float>::max()}) {
            const Bytes source = inputs_for({type(), format}, scale, {1 << 18});
            const int64_t count = static_cast<int64_t>(source.size()) / data_type_size(type());
            ASSERT_NO_FATAL_FAILURE(expect_codes(source, 1, count, format, scale, 1));
        }
}

TEST_P(Float8Quantize, TakesEverySizeAndNumberOfThreads)
{
    for (const auto& [rows, columns] : std::vector<std::pair<int64_t, int64_t>>{
             {1, 1}, {3, 70}, {64, 64}, {65, 129}, {130, 1}, {1, 1500}, {513, 1100}, {1100, 2100}, {0, 3}, {3, 0}}) {
        const Bytes source = rounded(type(), random_numbers(Numbers::special, rows * columns, 3));
        ASSERT_NO_FATAL_FAILURE(expect_codes(source, rows, columns, e4m3, 3, 4));
    }
}

TEST_P(Float8Quantize, FindsAmaxByItselfAsWell)
{
    const ForcedInstructionSet forced(set());
    const Context context = cpu_context(3);
    for (const Numbers kind : kinds_of_numbers)
        for (const int64_t count : {0, 1, 63, 1024, 1025, 70000, 3000001}) {
            const Bytes source = rounded(type(), random_numbers(kind, count, 4));
            float expected = 0, amax = nan;
            for (const float x : widened(type(), source))
                if (std::fabs(x) > expected) expected = std::fabs(x);
            ASSERT_EQ(nbit_amax_compute(context.get(), type(), source.data(), count, &amax), NBIT_STATUS_OK)
                << last_error();
            ASSERT_EQ(float_bits(amax), float_bits(expected)) << count;
        }
}

INSTANTIATE_TEST_SUITE_P(All, Float8Quantize,
                         testing::Combine(testing::ValuesIn(all_instruction_sets()), testing::ValuesIn(number_formats)),
                         [](const auto& test) {
                             return std::string(instruction_set_name(std::get<0>(test.param))) + "_" +
                                    data_type_name(std::get<1>(test.param));
                         });

struct Quantization {
    Context context = cpu_context(1);
    std::vector<float> source{1, -2, nan, 4};
    std::vector<uint8_t> codes = std::vector<uint8_t>(4, 9);
    float scale = 2, inverse = 5, amax = 3;

    int32_t run(int32_t type, const void* from, int64_t rows, int32_t format, uint8_t* to, uint8_t* across)
    {
        return nbit_float8_quantize(context.get(), type, from, rows, 2, format, &scale, to, across, &inverse, &amax);
    }
};

TEST(Float8QuantizeCall, WritesCodesScaleInverseAndARaisedAmax)
{
    Quantization call;
    std::vector<uint8_t> across(4);
    ASSERT_EQ(call.run(float32, call.source.data(), 2, e4m3, call.codes.data(), across.data()), NBIT_STATUS_OK)
        << last_error();
    EXPECT_EQ(call.codes, (std::vector<uint8_t>{0x40, 0xc8, 0x7f, 0x50}));
    EXPECT_EQ(across, (std::vector<uint8_t>{0x40, 0x7f, 0xc8, 0x50}));
    EXPECT_EQ(call.inverse, 0.5f);
    EXPECT_EQ(call.amax, 4);
    call.amax = 7;
    ASSERT_EQ(call.run(float32, call.source.data(), 2, e4m3, call.codes.data(), nullptr), NBIT_STATUS_OK);
    EXPECT_EQ(call.amax, 7);
}

TEST(Float8QuantizeCall, TakesNullForScaleInverseAndAmax)
{
    Quantization call;
    ASSERT_EQ(nbit_float8_quantize(call.context.get(), float32, call.source.data(), 1, 2, e5m2, nullptr,
                                   call.codes.data(), nullptr, nullptr, nullptr),
              NBIT_STATUS_OK)
        << last_error();
    EXPECT_EQ(call.codes, (std::vector<uint8_t>{0x3c, 0xc0, 9, 9}));
}

TEST(Float8QuantizeErrors, SayWhatIsAllowedAndWriteNothing)
{
    Quantization call;
    const auto message = [&](int32_t status) {
        EXPECT_EQ(status, NBIT_STATUS_INVALID_ARGUMENT);
        EXPECT_EQ(call.codes, std::vector<uint8_t>(4, 9));
        EXPECT_EQ(call.inverse, 5);
        EXPECT_EQ(call.amax, 3);
        return last_error();
    };
    float* const from = call.source.data();
    uint8_t* const to = call.codes.data();
    EXPECT_EQ(message(call.run(24, from, 2, e4m3, to, nullptr)),
              "source_type is 24 (float8_e4m3fn); allowed are float32 (6), float16 (5) and bfloat16 (15)");
    EXPECT_EQ(message(call.run(float32, from, 2, 44, to, nullptr)),
              "format is 44 (float8_e8m0fnu); allowed are float8_e4m3fn (24) and float8_e5m2 (23)");
    EXPECT_EQ(message(call.run(float32, from, 2, e4m3, nullptr, nullptr)),
              "codes and transposed_codes are null; give the address of memory for one of them");
    EXPECT_EQ(message(call.run(float32, from, 2, e4m3, to, to)),
              "codes (4 bytes) overlaps transposed_codes (4 bytes); give codes memory of its own");
    EXPECT_EQ(message(call.run(float32, nullptr, 2, e4m3, to, nullptr)),
              "source is null; give the address of memory for it");
    EXPECT_EQ(message(call.run(float32, from, -2, e4m3, to, nullptr)).substr(0, 28), "rows is -2 and columns is 2;");
    for (const float scale : {0.0f, -1.0f, nan, infinity}) {
        call.scale = scale;
        EXPECT_NE(message(call.run(float32, from, 2, e4m3, to, nullptr)).find("finite numbers above 0"),
                  std::string::npos);
    }
}

} // namespace
} // namespace nbit::test
