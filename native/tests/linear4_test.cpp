// nbit_linear4_forward and nbit_linear4_backward: what the ABI adds to the kernels.
#include "linear4_cases.h"

#include <algorithm>
#include <array>

namespace nbit::test
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32, float16 = NBIT_DATA_TYPE_FLOAT16,
                  bfloat16 = NBIT_DATA_TYPE_BFLOAT16;
constexpr int32_t nf4 = NBIT_QUANT_TYPE_NF4;

class Linear4 : public testing::TestWithParam<Direction>
{
protected:
    static constexpr Shape4 large{40, 700, 5003, 64, nf4, true, true};
};

TEST_P(Linear4, DoesNotDependOnTheNumberOfThreads)
{
    for (const int64_t rows : {1, 3, 12, 40})
        for (const int32_t compute_type : number_formats) {
            Shape4 shape = large;
            shape.rows = rows;
            Problem4 problem(shape, compute_type, float32, GetParam(), Operands::ordinary, 1);
            const Bytes expected = problem.run(cpu_context(1).get());
            for (const int32_t threads : {2, 3, 7})
                EXPECT_TRUE(same_bytes(expected, problem.run(cpu_context(threads).get()))) << threads << ", " << rows;
        }
}

#if defined(__x86_64__)
TEST_P(Linear4, DoesNotDependOnTheFloatingPointModeOfTheThread)
{
    for (const int64_t rows : {1, 6, 40}) {
        Problem4 problem({rows, 50, 65, 32, nf4, true, true}, float16, bfloat16, GetParam(), Operands::ordinary, 2);
        const Context context = cpu_context(1);
        const Bytes expected = problem.run(context.get());
        const OddFloatMode mode;
        EXPECT_TRUE(same_bytes(expected, problem.run(context.get())));
    }
}
#endif

TEST_P(Linear4, TakesMoreRowsThanOneProductHas)
{
    // A row of the sums does not depend on the others, so the rows of x in two calls give the same.
    Problem4 problem({1103, 40, 70, 64, nf4, false, true}, float32, float32, GetParam(), Operands::ordinary, 3);
    const Context context = cpu_context(2);
    const Bytes all = problem.run(context.get());
    const Product4& p = problem.product();
    const int64_t row_bytes = problem.width() * 4;
    for (const int64_t first : {0, 367, 368, 735, 1003}) {
        Problem4 part({100, 40, 70, 64, nf4, false, true}, float32, float32, GetParam(), Operands::ordinary, 3);
        Bytes expected(static_cast<size_t>(100 * row_bytes));
        Product4 rows = p.part(first, 100, problem.depth(), problem.width(), 4);
        rows.y = expected.data();
        const Linear4Table& table = reference::linear4;
        (problem.is_forward() ? table.forward : table.backward)(rows).multiply(rows, nullptr, 0, problem.width(),
                                                                               nullptr);
        const std::vector<float> wanted = elements_of<float>(expected);
        const std::vector<float> found =
            elements_of<float>(Bytes(all.begin() + first * row_bytes, all.begin() + (first + 100) * row_bytes));
        for (size_t i = 0; i < wanted.size(); ++i)
            ASSERT_NEAR(found[i], wanted[i], 1e-4) << first << ", " << i;
    }
}

TEST_P(Linear4, WritesNothingWhereMemoryCannotBeHad)
{
    for (const int64_t rows : {1, 8, 40}) {
        Shape4 shape = large;
        shape.rows = rows;
        Problem4 problem(shape, bfloat16, float32, GetParam(), Operands::ordinary, 4);
        const Context context = cpu_context(2);
        const Bytes expected = problem.run(context.get());
        int64_t bytes_before = 0, blocks_before = 0, bytes = 0, blocks = 0;
        nbit_memory_count(&bytes_before, &blocks_before);
        for (int64_t allocation = 1; allocation <= 3; ++allocation) {
            if (allocation == 3 && !problem.is_forward()) continue; // no bias
            auto* y = static_cast<unsigned char*>(problem.product().y);
            std::fill_n(y, expected.size(), 0x5c);
            ASSERT_EQ(nbit_memory_fail(allocation), NBIT_STATUS_OK);
            EXPECT_EQ(problem.call(context.get()), NBIT_STATUS_OUT_OF_MEMORY) << allocation;
            nbit_memory_fail(0);
            EXPECT_TRUE(std::all_of(y, y + expected.size(), [](unsigned char byte) { return byte == 0x5c; }));
        }
        nbit_memory_count(&bytes, &blocks);
        EXPECT_EQ(bytes, bytes_before);
        EXPECT_EQ(blocks, blocks_before);
        EXPECT_TRUE(same_bytes(expected, problem.run(context.get())));
    }
}

INSTANTIATE_TEST_SUITE_P(Both, Linear4, testing::Values(Direction::forward, Direction::backward),
                         [](const auto& test) { return test.param == Direction::forward ? "forward" : "backward"; });

// A small call whose arguments a test changes one by one.
struct Call {
    Context context = cpu_context(1);
    std::vector<uint8_t> packed = std::vector<uint8_t>(33 * 25, 0x3c);
    std::vector<float> absmax = std::vector<float>(52, 1), book = std::vector<float>(256, 1);
    std::vector<uint8_t> codes = std::vector<uint8_t>(52);
    std::vector<float> x = std::vector<float>(2 * 50, 1), y = std::vector<float>(2 * 50, 7), bias;
    float offset = 0;

    nbit_context* context_argument = context.get();
    int32_t quant_type = nf4, x_type = float32, bias_type = float32, compute_type = float32;
    const uint8_t *packed_argument = packed.data(), *absmax_codes = nullptr;
    const float *absmax_argument = absmax.data(), *absmax_book = nullptr, *absmax_offset = nullptr;
    int64_t blocksize = 32, out_features = 33, in_features = 50, rows = 2;
    const void *x_argument = x.data(), *bias_argument = nullptr;
    void* y_argument = y.data();

    int32_t forward()
    {
        return nbit_linear4_forward(context_argument, quant_type, packed_argument, absmax_argument, absmax_codes,
                                    absmax_book, absmax_offset, blocksize, out_features, in_features, x_type,
                                    x_argument, rows, bias_type, bias_argument, compute_type, y_argument);
    }
    int32_t backward()
    {
        return nbit_linear4_backward(context_argument, quant_type, packed_argument, absmax_argument, absmax_codes,
                                     absmax_book, absmax_offset, blocksize, out_features, in_features, x_type,
                                     x_argument, rows, compute_type, y_argument);
    }
};

struct BadCall {
    const char* name;
    void (*spoil)(Call& call);
    const char* message; // a part of it
};
void PrintTo(const BadCall& bad, std::ostream* out) { *out << bad.name; }

class BadCalls4 : public testing::TestWithParam<BadCall>
{
};

TEST_P(BadCalls4, AreRefusedBeforeAnythingIsWritten)
{
    for (const bool is_forward : {true, false}) {
        Call call;
        GetParam().spoil(call);
        EXPECT_EQ(is_forward ? call.forward() : call.backward(), NBIT_STATUS_INVALID_ARGUMENT);
        EXPECT_NE(last_error().find(GetParam().message), std::string::npos) << last_error();
        EXPECT_TRUE(std::all_of(call.y.begin(), call.y.end(), [](float value) { return value == 7; }));
    }
}

INSTANTIATE_TEST_SUITE_P(
    All, BadCalls4,
    testing::Values(
        BadCall{"context", [](Call& c) { c.context_argument = nullptr; }, "context is null"},
        BadCall{"quant_type", [](Call& c) { c.quant_type = 3; }, "quant_type is 3"},
        BadCall{"packed", [](Call& c) { c.packed_argument = nullptr; }, "packed is null"},
        BadCall{"absmax", [](Call& c) { c.absmax_argument = nullptr; }, "absmax is null"},
        BadCall{"book_alone", [](Call& c) { c.absmax_book = c.book.data(); }, "absmax_codes is null"},
        BadCall{"offset_alone", [](Call& c) { c.absmax_offset = &c.offset; }, "absmax_codes is null"},
        BadCall{"codes_without_book",
                [](Call& c) {
                    c.absmax_codes = c.codes.data();
                    c.absmax_offset = &c.offset;
                },
                "absmax_book is null"},
        BadCall{"codes_without_offset",
                [](Call& c) {
                    c.absmax_codes = c.codes.data();
                    c.absmax_book = c.book.data();
                },
                "absmax_offset is null"},
        BadCall{"blocksize_of_16", [](Call& c) { c.blocksize = 16; }, "blocksize is 16"},
        BadCall{"blocksize_of_96", [](Call& c) { c.blocksize = 96; }, "blocksize is 96"},
        BadCall{"blocksize_of_8192", [](Call& c) { c.blocksize = 8192; }, "blocksize is 8192"},
        BadCall{"negative_out_features", [](Call& c) { c.out_features = -1; }, "out_features is -1"},
        BadCall{"negative_in_features", [](Call& c) { c.in_features = -1; }, "in_features is -1"},
        BadCall{"negative_rows", [](Call& c) { c.rows = -1; }, "rows is -1"},
        BadCall{"too_many_features", [](Call& c) { c.in_features = (int64_t{1} << 47) + 1; }, "in_features is"},
        BadCall{"overflowing_weight", [](Call& c) { c.out_features = c.in_features = int64_t{1} << 40; },
                "out_features is 1099511627776 and in_features is 1099511627776"},
        BadCall{"overflowing_rows", [](Call& c) { c.rows = int64_t{1} << 60; }, "rows is 1152921504606846976"},
        BadCall{"type", [](Call& c) { c.x_type = NBIT_DATA_TYPE_INT8; }, "_type is 1 (int8)"},
        BadCall{"compute_type", [](Call& c) { c.compute_type = NBIT_DATA_TYPE_FLOAT64; }, "compute_type is 7"},
        BadCall{"x", [](Call& c) { c.x_argument = nullptr; }, " is null"},
        BadCall{"y", [](Call& c) { c.y_argument = nullptr; }, " is null"},
        BadCall{"y_over_x", [](Call& c) { c.x_argument = c.y.data() + 10; }, "overlaps"},
        BadCall{"y_over_absmax", [](Call& c) { c.absmax_argument = c.y.data() + 10; }, "overlaps absmax"}),
    [](const auto& test) { return test.param.name; });

TEST(Linear4Forward, RefusesABiasOfAnotherTypeOrInY)
{
    Call call;
    call.bias_argument = call.x.data();
    call.bias_type = NBIT_DATA_TYPE_INT64;
    EXPECT_EQ(call.forward(), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_NE(last_error().find("bias_type is 4 (int64)"), std::string::npos) << last_error();
    call.bias_type = float32;
    call.bias_argument = call.y.data();
    EXPECT_EQ(call.forward(), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_NE(last_error().find("overlaps bias"), std::string::npos) << last_error();
    EXPECT_EQ(call.y, std::vector<float>(100, 7));
}

TEST(Linear4Forward, RoundsTheBiasToTheComputeType)
{
    Call call;
    call.bias.assign(33, 1 + 0x1p-9f); // halfway between two bfloat16
    call.bias_argument = call.bias.data();
    call.x.assign(100, 0);
    call.compute_type = bfloat16;
    ASSERT_EQ(call.forward(), NBIT_STATUS_OK) << last_error();
    EXPECT_EQ(std::vector<float>(call.y.begin(), call.y.begin() + 66), std::vector<float>(66, 1));
}

TEST(Linear4Forward, TakesABiasOfEveryType)
{
    for (const int32_t type : number_formats) {
        Call call;
        const Bytes bias = rounded(type, std::vector<float>(33, 2.5f));
        call.bias_argument = bias.data();
        call.bias_type = type;
        call.x.assign(100, 0);
        ASSERT_EQ(call.forward(), NBIT_STATUS_OK) << last_error();
        EXPECT_EQ(call.y[65], 2.5f);
        EXPECT_EQ(call.y[66], 7);
    }
}

TEST(UnalignedLinear4, GivesTheSameAsAligned)
{
    for (const nbit_instruction_set set : all_instruction_sets()) {
        if (!machine_has(set)) continue;
        const ForcedInstructionSet forced(set);
        for (const int32_t type : number_formats)
            for (const int64_t rows : {1, 2}) {
                Call call;
                const auto moved = [](const Bytes& bytes) { // by one byte
                    Bytes copy(1);
                    copy.insert(copy.end(), bytes.begin(), bytes.end());
                    return copy;
                };
                const Bytes x = rounded(type, random_numbers(Numbers::ordinary, 100, 1)), moved_x = moved(x);
                const Bytes bias = rounded(type, random_numbers(Numbers::ordinary, 33, 2)), moved_bias = moved(bias);
                const Bytes moved_packed = moved(call.packed);
                Bytes y(400), moved_y(401);
                call.x_type = call.bias_type = type;
                call.rows = rows;
                call.x_argument = x.data();
                call.bias_argument = bias.data();
                call.y_argument = y.data();
                Call other;
                other.x_type = other.bias_type = type;
                other.rows = rows;
                other.packed_argument = moved_packed.data() + 1;
                other.x_argument = moved_x.data() + 1;
                other.bias_argument = moved_bias.data() + 1;
                other.y_argument = moved_y.data() + 1;
                ASSERT_EQ(call.forward(), NBIT_STATUS_OK) << last_error();
                ASSERT_EQ(other.forward(), NBIT_STATUS_OK) << last_error();
                EXPECT_TRUE(same_bytes(y, Bytes(moved_y.begin() + 1, moved_y.end())));
                ASSERT_EQ(call.backward(), NBIT_STATUS_OK) << last_error();
                ASSERT_EQ(other.backward(), NBIT_STATUS_OK) << last_error();
                EXPECT_TRUE(same_bytes(y, Bytes(moved_y.begin() + 1, moved_y.end())));
            }
    }
}

TEST(EmptyLinear4, WritesNothingWithoutRowsOrColumns)
{
    Call call;
    call.rows = 0;
    call.x_argument = call.y_argument = nullptr;
    EXPECT_EQ(call.forward(), NBIT_STATUS_OK) << last_error();
    EXPECT_EQ(call.backward(), NBIT_STATUS_OK) << last_error();
    call = Call();
    call.out_features = 0;
    EXPECT_EQ(call.forward(), NBIT_STATUS_OK) << last_error();
    EXPECT_EQ(call.y[0], 7);
    call = Call();
    call.in_features = 0;
    EXPECT_EQ(call.backward(), NBIT_STATUS_OK) << last_error();
    EXPECT_EQ(call.y[0], 7);
}

TEST(EmptyLinear4, WritesTheBiasOrZeroWithoutTerms)
{
    Call call;
    call.in_features = 0;
    call.x_argument = call.packed_argument = nullptr;
    call.absmax_argument = nullptr;
    ASSERT_EQ(call.forward(), NBIT_STATUS_OK) << last_error();
    EXPECT_EQ(std::vector<float>(call.y.begin(), call.y.begin() + 66), std::vector<float>(66, 0));
    EXPECT_EQ(call.y[66], 7);
    call.bias.assign(33, 3);
    call.bias_argument = call.bias.data();
    ASSERT_EQ(call.forward(), NBIT_STATUS_OK) << last_error();
    EXPECT_EQ(std::vector<float>(call.y.begin(), call.y.begin() + 66), std::vector<float>(66, 3));
    Call gradient;
    gradient.out_features = 0;
    ASSERT_EQ(gradient.backward(), NBIT_STATUS_OK) << last_error();
    EXPECT_EQ(gradient.y, std::vector<float>(100, 0));
}

} // namespace
} // namespace nbit::test
