// Numbers of scaled matrices through the ABI.
#include "abi.h"
#include "cpu/elements.h"
#include "guarded.h"
#include "scaled_cases.h"

#include <limits>

namespace nbit::test
{
namespace
{

int32_t dequantize(nbit_context* context, const StoredMatrix& stored, int32_t target_type, void* target)
{
    return nbit_scaled_dequantize(context, stored.format, stored.scaling, stored.codes.data(), stored.rows,
                                  stored.columns, stored.scales.data(), &stored.amax, target_type, target);
}

// By the documentation of nbit_scaling.
Bytes expected_numbers(const StoredMatrix& stored, int32_t target_type)
{
    const ScaledMatrix matrix = stored.matrix();
    std::vector<float> numbers;
    for (int64_t r = 0; r < stored.rows; ++r)
        for (int64_t c = 0; c < stored.columns; ++c) {
            const float number = number_of_code(stored.format, code_of_element(matrix, r, c));
            float scale = 0;
            switch (stored.scaling) {
            case NBIT_SCALING_TENSOR:
                scale = load_element<float>(stored.scales.data(), 0);
                break;
            case NBIT_SCALING_MXFP8_1X32:
                scale =
                    to_float(Float8E8M0{stored.scales[static_cast<size_t>(r * ((stored.columns + 31) / 32) + c / 32)]});
                break;
            case NBIT_SCALING_MXFP8_32X1:
                scale = to_float(Float8E8M0{stored.scales[static_cast<size_t>(r / 32 * stored.columns + c)]});
                break;
            case NBIT_SCALING_MXFP8_32X32:
                scale = to_float(
                    Float8E8M0{stored.scales[static_cast<size_t>(r / 32 * ((stored.columns + 31) / 32) + c / 32)]});
                break;
            case NBIT_SCALING_FLOAT8_1X128:
                scale = load_element<float>(stored.scales.data(), r * ((stored.columns + 127) / 128) + c / 128);
                break;
            case NBIT_SCALING_FLOAT8_128X128:
                scale = load_element<float>(stored.scales.data(), r / 128 * ((stored.columns + 127) / 128) + c / 128);
                break;
            default:
                scale = to_float(
                            Float8E4M3{stored.scales[static_cast<size_t>(r * ((stored.columns + 15) / 16) + c / 16)]}) *
                        stored.amax * (1.0f / 2688);
            }
            numbers.push_back(number * scale);
        }
    return rounded(target_type, numbers);
}

class ScaledDequantize : public testing::TestWithParam<std::tuple<nbit_instruction_set, nbit_scaling>>
{
};

TEST_P(ScaledDequantize, MultipliesEveryCodeWithTheScaleOfItsBlock)
{
    const auto [set, scaling] = GetParam();
    if (!machine_has(set)) GTEST_SKIP() << "this machine lacks " << instruction_set_name(set);
    const ForcedInstructionSet forced(set);
    const Context context = cpu_context(2);
    for (const int32_t format : {NBIT_DATA_TYPE_FLOAT8_E4M3FN, NBIT_DATA_TYPE_FLOAT8_E5M2})
        for (const int32_t type : number_formats)
            for (const auto& [rows, columns] : std::vector<std::pair<int64_t, int64_t>>{
                     {1, 1}, {3, 17}, {33, 31}, {130, 129}, {64, 256}, {35, 1100}, {0, 4}, {4, 0}}) {
                const StoredMatrix stored = random_matrix(scaling, format, rows, columns, Scales::any, 7);
                Guarded<char> target(rows * columns * data_type_size(type), 1);
                ASSERT_EQ(dequantize(context.get(), stored, type, target.data()), NBIT_STATUS_OK) << last_error();
                ASSERT_TRUE(target.is_intact());
                ASSERT_TRUE(same_bytes(expected_numbers(stored, type), target.bytes())) << rows << " x " << columns;
            }
}

INSTANTIATE_TEST_SUITE_P(All, ScaledDequantize,
                         testing::Combine(testing::ValuesIn(all_instruction_sets()), testing::ValuesIn(all_scalings)),
                         [](const auto& test) {
                             return std::string(instruction_set_name(std::get<0>(test.param))) + "_" +
                                    name_of(std::get<1>(test.param));
                         });

TEST(ScaledDequantizeErrors, SayWhatIsAllowedAndWriteNothing)
{
    const Context context = cpu_context(1);
    const StoredMatrix good =
        random_matrix(NBIT_SCALING_MXFP8_1X32, NBIT_DATA_TYPE_FLOAT8_E4M3FN, 2, 4, Scales::powers_of_two, 1);
    std::vector<float> target(8, 3);
    const auto message = [&](int32_t format, int32_t scaling, const void* scales, const float* amax, int64_t rows) {
        EXPECT_EQ(nbit_scaled_dequantize(context.get(), format, scaling, good.codes.data(), rows, 4, scales, amax,
                                         NBIT_DATA_TYPE_FLOAT32, target.data()),
                  NBIT_STATUS_INVALID_ARGUMENT);
        return last_error();
    };
    EXPECT_EQ(message(24, 7, good.scales.data(), nullptr, 2),
              "scaling is 7; allowed are tensor (0), mxfp8_1x32 (1), mxfp8_32x1 (2), mxfp8_32x32 (3), float8_1x128 "
              "(4), float8_128x128 (5) and nvfp4_1x16 (6)");
    EXPECT_EQ(message(45, 1, good.scales.data(), nullptr, 2),
              "format is 45 (float4_e2m1fn_x2); allowed are float8_e4m3fn (24) and float8_e5m2 (23)");
    EXPECT_EQ(message(24, 6, good.scales.data(), &good.amax, 2),
              "format is 24 (float8_e4m3fn); with nvfp4_1x16 it must be float4_e2m1fn_x2 (45)");
    EXPECT_EQ(message(24, 1, nullptr, nullptr, 2), "scales is null; give the address of memory for it");
    EXPECT_EQ(message(45, 6, good.scales.data(), nullptr, 2), "amax is null; give the address of memory for it");
    EXPECT_EQ(message(24, 1, good.scales.data(), nullptr, -1).substr(0, 28), "rows is -1 and columns is 4;");
    EXPECT_EQ(message(24, 0, target.data(), nullptr, 2),
              "target (32 bytes) overlaps scales (4 bytes); give target memory of its own");
    EXPECT_EQ(target, std::vector<float>(8, 3));
}

} // namespace
} // namespace nbit::test
