// Products of scaled matrices through the ABI: every instruction set against the reference twin, which sums in double.
#include "abi.h"
#include "cpu/float8/scaled_products.h"
#include "guarded.h"
#include "scaled_cases.h"

#include <cmath>
#include <limits>

namespace nbit::test
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32, bfloat16 = NBIT_DATA_TYPE_BFLOAT16;
constexpr int32_t e4m3 = NBIT_DATA_TYPE_FLOAT8_E4M3FN, e5m2 = NBIT_DATA_TYPE_FLOAT8_E5M2;

// One operand of a product.
struct Side {
    StoredMatrix stored;
    bool transposed;

    ScaledOperand operand() const { return {stored.matrix(), transposed}; }
};

struct Sides {
    Side a, b;
    int64_t m() const { return a.operand().rows(); }
    int64_t n() const { return b.operand().rows(); }
    int64_t k() const { return a.operand().depth(); }
};

Side random_side(int32_t scaling, int32_t format, int64_t rows, int64_t depth, bool transposed, Scales scales,
                 unsigned seed)
{
    return {transposed ? random_matrix(scaling, format, depth, rows, scales, seed)
                       : random_matrix(scaling, format, rows, depth, scales, seed),
            transposed};
}

// What comes with the operands.
struct Around {
    int32_t target_type = float32;
    std::vector<float> bias; // empty for none
    bool accumulate = false;
};

Bytes target_before(const Sides& sides, const Around& around)
{
    return rounded(around.target_type, random_numbers(Numbers::ordinary, sides.m() * sides.n(), 21));
}

int32_t multiply(nbit_context* context, const Sides& sides, const Around& around, void* target)
{
    const StoredMatrix &a = sides.a.stored, &b = sides.b.stored;
    return nbit_scaled_multiply(
        context, sides.m(), sides.n(), sides.k(), a.format, a.scaling, a.codes.data(), a.scales.data(), &a.amax,
        sides.a.transposed, b.format, b.scaling, b.codes.data(), b.scales.data(), &b.amax, sides.b.transposed, float32,
        around.bias.empty() ? nullptr : around.bias.data(), around.accumulate, around.target_type, target);
}

Bytes result(const Sides& sides, const Around& around, int32_t threads = 1)
{
    const Context context = cpu_context(threads);
    const Bytes before = target_before(sides, around);
    Guarded<unsigned char> target(static_cast<int64_t>(before.size()), 2);
    std::copy(before.begin(), before.end(), target.data());
    EXPECT_EQ(multiply(context.get(), sides, around, target.data()), NBIT_STATUS_OK) << last_error();
    EXPECT_TRUE(target.is_intact());
    return target.bytes();
}

Bytes twin(const Sides& sides, const Around& around)
{
    Bytes target = target_before(sides, around);
    const ScaledProduct product{
        sides.a.operand(), sides.b.operand(),  around.bias.empty() ? nullptr : around.bias.data(),
        around.accumulate, around.target_type, target.data()};
    reference::scaled_product(product).multiply(product, nullptr, {0, sides.m(), 0, sides.n()}, nullptr);
    return target;
}

// The same product of magnitudes, of which float32 sums miss a little.
std::vector<float> magnitudes(Sides sides)
{
    for (Side* side : {&sides.a, &sides.b})
        for (unsigned char& code : side->stored.codes)
            code &= side->stored.matrix().holds_pairs() ? 0x77 : 0x7f;
    return widened(float32, twin(sides, {}));
}

// Each of k additions errs by half a unit of the partial sum, which is at most the sum of the magnitudes; so do, by two
// units, the products with inexact scales in float32. What follows are three roundings in float32 and that to the
// target, which bias and target enlarge.
void expect_close(const Sides& sides, const Around& around)
{
    const std::vector<float> expected = widened(around.target_type, twin(sides, around));
    const std::vector<float> found = widened(around.target_type, result(sides, around));
    const std::vector<float> most = magnitudes(sides);
    const double spacing = around.target_type == float32 ? 0x1p-23 : around.target_type == bfloat16 ? 0x1p-7 : 0x1p-10;
    ASSERT_EQ(expected.size(), found.size());
    for (size_t i = 0; i < expected.size(); ++i) {
        const auto exact = static_cast<double>(expected[i]);
        const double of_sum = static_cast<double>(sides.k() + 8) * 0x1p-24 * static_cast<double>(most[i]);
        const double bound = of_sum + spacing * std::fabs(exact) + 8 * 0x1p-24 + 0x1p-24 * std::fabs(exact);
        ASSERT_NEAR(static_cast<double>(found[i]), exact, bound) << "element " << i;
    }
}

class ScaledProducts : public testing::TestWithParam<nbit_instruction_set>
{
protected:
    void SetUp() override
    {
        if (!machine_has(GetParam())) GTEST_SKIP() << "this machine lacks " << instruction_set_name(GetParam());
        forced_.emplace(GetParam());
    }

private:
    std::optional<ForcedInstructionSet> forced_;
};

TEST_P(ScaledProducts, AreCloseForAllScalingsAndOrientations)
{
    for (const nbit_scaling of_a : all_scalings)
        for (const nbit_scaling of_b : all_scalings)
            for (const bool turned_a : {false, true})
                for (const bool turned_b : {false, true})
                    for (const Scales scales : {Scales::powers_of_two, Scales::any}) {
                        SCOPED_TRACE(std::string(name_of(of_a)) + (turned_a ? "^T " : " ") + name_of(of_b) +
                                     (turned_b ? "^T" : ""));
                        ASSERT_NO_FATAL_FAILURE(expect_close({random_side(of_a, e5m2, 17, 150, turned_a, scales, 1),
                                                              random_side(of_b, e4m3, 35, 150, turned_b, scales, 2)},
                                                             {}));
                    }
}

// Of the three products of a layer, in the ways that the recipes have.
struct Way {
    int32_t of_a, of_b;
    bool turned_a, turned_b;
};
constexpr Way ways[] = {
    {NBIT_SCALING_TENSOR, NBIT_SCALING_TENSOR, false, false},
    {NBIT_SCALING_TENSOR, NBIT_SCALING_TENSOR, false, true},
    {NBIT_SCALING_TENSOR, NBIT_SCALING_TENSOR, true, true},
    {NBIT_SCALING_MXFP8_1X32, NBIT_SCALING_MXFP8_1X32, false, false},
    {NBIT_SCALING_MXFP8_1X32, NBIT_SCALING_MXFP8_32X1, false, true},
    {NBIT_SCALING_MXFP8_32X1, NBIT_SCALING_MXFP8_32X1, true, true},
    {NBIT_SCALING_FLOAT8_1X128, NBIT_SCALING_FLOAT8_128X128, false, false},
    {NBIT_SCALING_NVFP4_1X16, NBIT_SCALING_NVFP4_1X16, false, false},
};

void expect_close_all_ways(int64_t m, int64_t n, int64_t k, const Around& around = {})
{
    for (const Way& way : ways) {
        SCOPED_TRACE(std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k) + ", way " +
                     std::to_string(&way - ways));
        ASSERT_NO_FATAL_FAILURE(
            expect_close({random_side(way.of_a, e5m2, m, k, way.turned_a, Scales::powers_of_two, 3),
                          random_side(way.of_b, e4m3, n, k, way.turned_b, Scales::powers_of_two, 4)},
                         around));
    }
}

TEST_P(ScaledProducts, AreCloseForEverySize)
{
    for (int64_t m = 1; m <= 31; ++m)
        ASSERT_NO_FATAL_FAILURE(expect_close_all_ways(m, 33, 9));
    for (const int64_t n : {1, 2, 15, 16, 31, 32, 34, 127, 128, 129, 161})
        ASSERT_NO_FATAL_FAILURE(expect_close_all_ways(3, n, 7));
    for (const int64_t k : {1, 2, 31, 63, 64, 65, 127, 191, 192, 193, 255, 256, 257, 383, 384, 385, 700, 769})
        ASSERT_NO_FATAL_FAILURE(expect_close_all_ways(5, 18, k));
    ASSERT_NO_FATAL_FAILURE(expect_close_all_ways(519, 20, 40)); // two blocks of rows
}

TEST_P(ScaledProducts, AddBiasAndTargetAndRoundOnce)
{
    for (const int32_t type : number_formats)
        for (const bool accumulate : {false, true}) {
            ASSERT_NO_FATAL_FAILURE(
                expect_close_all_ways(7, 75, 40, {type, random_numbers(Numbers::ordinary, 75, 5), accumulate}));
            ASSERT_NO_FATAL_FAILURE(expect_close_all_ways(3, 64, 20, {type, {}, accumulate}));
        }
}

TEST_P(ScaledProducts, WithoutTermsAreTheBias)
{
    for (const Way& way : ways)
        for (const bool accumulate : {false, true}) {
            const Sides sides{random_side(way.of_a, e4m3, 3, 0, way.turned_a, Scales::any, 1),
                              random_side(way.of_b, e4m3, 40, 0, way.turned_b, Scales::any, 2)};
            const Around around{bfloat16, random_numbers(Numbers::ordinary, 40, 5), accumulate};
            EXPECT_TRUE(same_bytes(twin(sides, around), result(sides, around)));
        }
}

TEST_P(ScaledProducts, OfSmallIntegersAreExact)
{
    const auto integers = [](int64_t rows, int64_t columns, int first) {
        StoredMatrix stored{e4m3, NBIT_SCALING_TENSOR, rows, columns, {}, bytes_of(std::vector<float>{0.25f}), 0};
        for (int64_t i = 0; i < rows * columns; ++i)
            stored.codes.push_back(from_float<Float8E4M3>(static_cast<float>((i * 7 + first) % 17 - 8)).bits);
        return stored;
    };
    for (const bool turned : {false, true}) {
        const Sides sides{{turned ? integers(130, 20, 1) : integers(20, 130, 1), turned},
                          {turned ? integers(130, 50, 2) : integers(50, 130, 2), turned}};
        EXPECT_TRUE(same_bytes(twin(sides, {}), result(sides, {})));
        EXPECT_TRUE(same_bytes(twin(sides, {bfloat16, {}, false}), result(sides, {bfloat16, {}, false})));
    }
}

TEST_P(ScaledProducts, KnowTheNumberOfEveryCode)
{
    const std::vector<float> one{1};
    const StoredMatrix single{e4m3, NBIT_SCALING_TENSOR, 1, 1, {0x38}, bytes_of(one), 0};
    for (const int32_t format : {e4m3, e5m2})
        for (const bool turned : {false, true}) {
            StoredMatrix codes{format, NBIT_SCALING_TENSOR, turned ? 1 : 256, turned ? 256 : 1, {}, bytes_of(one), 0};
            std::vector<float> numbers;
            for (int code = 0; code < 256; ++code) {
                codes.codes.push_back(static_cast<unsigned char>(code));
                numbers.push_back(number_of_code(format, static_cast<uint8_t>(code)) + 0.0f); // sums begin with +0
            }
            EXPECT_TRUE(same_numbers(float32, bytes_of(numbers), result({{codes, turned}, {single, false}}, {})));
            EXPECT_TRUE(same_numbers(float32, bytes_of(numbers), result({{single, false}, {codes, turned}}, {})));
        }
}

TEST_P(ScaledProducts, DoNotDependOnThreads)
{
    for (const Way& way : ways) {
        const Sides sides{random_side(way.of_a, e5m2, 530, 100, way.turned_a, Scales::powers_of_two, 3),
                          random_side(way.of_b, e4m3, 300, 100, way.turned_b, Scales::powers_of_two, 4)};
        const Bytes expected = result(sides, {bfloat16, {}, true}, 1);
        for (const int32_t threads : {2, 5})
            ASSERT_TRUE(same_bytes(expected, result(sides, {bfloat16, {}, true}, threads)));
    }
}

#if defined(__x86_64__)
TEST_P(ScaledProducts, DoNotDependOnTheFloatingPointMode)
{
    const Sides sides{random_side(NBIT_SCALING_TENSOR, e5m2, 20, 100, false, Scales::any, 3),
                      random_side(NBIT_SCALING_TENSOR, e4m3, 30, 100, true, Scales::any, 4)};
    const Bytes expected = result(sides, {bfloat16, {}, true});
    Bytes found = target_before(sides, {bfloat16, {}, true});
    const Context context = cpu_context(1);
    const OddFloatMode mode;
    ASSERT_EQ(multiply(context.get(), sides, {bfloat16, {}, true}, found.data()), NBIT_STATUS_OK);
    EXPECT_TRUE(same_bytes(expected, found));
}
#endif

TEST_P(ScaledProducts, LetInfinitiesAndNaNThrough)
{
    const float infinite = std::numeric_limits<float>::infinity();
    for (const bool turned : {false, true}) {
        Sides sides{random_side(NBIT_SCALING_TENSOR, e5m2, 4, 40, turned, Scales::any, 3),
                    random_side(NBIT_SCALING_TENSOR, e4m3, 33, 40, turned, Scales::any, 4)};
        std::fill(sides.b.stored.codes.begin(), sides.b.stored.codes.end(), 0x38); // 1
        const auto set = [&](int64_t row, int64_t term, uint8_t code) {
            sides.a.stored.codes[static_cast<size_t>(turned ? term * 4 + row : row * 40 + term)] = code;
        };
        set(0, 5, 0x7f);  // NaN
        set(1, 39, 0xfc); // -infinity
        set(2, 0, 0x7c);
        set(2, 1, 0xfc); // infinity - infinity
        const std::vector<float> found = widened(float32, result(sides, {}));
        for (size_t c = 0; c < 33; ++c) {
            EXPECT_TRUE(std::isnan(found[c]));
            EXPECT_EQ(found[33 + c], -infinite);
            EXPECT_TRUE(std::isnan(found[66 + c]));
            EXPECT_TRUE(std::isfinite(found[99 + c]));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(All, ScaledProducts, testing::ValuesIn(all_instruction_sets()),
                         [](const auto& test) { return std::string(instruction_set_name(test.param)); });

// A call that is right; the tests break one thing at a time.
struct Multiplication {
    Context context = cpu_context(1);
    Sides sides{random_side(NBIT_SCALING_TENSOR, e4m3, 2, 3, false, Scales::any, 1),
                random_side(NBIT_SCALING_TENSOR, e4m3, 4, 3, false, Scales::any, 2)};
    std::vector<float> target = std::vector<float>(8, 3), bias = std::vector<float>(4, 1);
    int64_t m = 2, n = 4, k = 3;
    int32_t a_format = e4m3, b_scaling = 0, a_transposed = 0, b_transposed = 0, bias_type = float32, accumulate = 0;
    int32_t target_type = float32;
    const uint8_t* a = sides.a.stored.codes.data();
    const void* b_scales = sides.b.stored.scales.data();
    void* to = target.data();

    std::string message()
    {
        EXPECT_EQ(nbit_scaled_multiply(context.get(), m, n, k, a_format, 0, a, sides.a.stored.scales.data(), nullptr,
                                       a_transposed, e4m3, b_scaling, sides.b.stored.codes.data(), b_scales, nullptr,
                                       b_transposed, bias_type, bias.data(), accumulate, target_type, to),
                  NBIT_STATUS_INVALID_ARGUMENT);
        EXPECT_EQ(target, std::vector<float>(8, 3));
        return last_error();
    }
};

struct WrongMultiplication {
    const char* name;
    void (*spoil)(Multiplication&);
    const char* message;
};

class ScaledProductErrors : public testing::TestWithParam<WrongMultiplication>
{
};

TEST_P(ScaledProductErrors, SayWhatIsAllowedAndWriteNothing)
{
    Multiplication call;
    GetParam().spoil(call);
    EXPECT_EQ(call.message(), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    All, ScaledProductErrors,
    testing::Values(
        WrongMultiplication{"Format", [](Multiplication& call) { call.a_format = bfloat16; },
                            "a_format is 15 (bfloat16); allowed are float8_e4m3fn (24) and float8_e5m2 (23)"},
        WrongMultiplication{"FormatOfScaling", [](Multiplication& call) { call.b_scaling = 6; },
                            "b_format is 24 (float8_e4m3fn); with nvfp4_1x16 it must be float4_e2m1fn_x2 (45)"},
        WrongMultiplication{"Flag", [](Multiplication& call) { call.a_transposed = 2; },
                            "a_transposed is 2; allowed are 0 and 1"},
        WrongMultiplication{"OtherFlag", [](Multiplication& call) { call.b_transposed = -1; },
                            "b_transposed is -1; allowed are 0 and 1"},
        WrongMultiplication{"Accumulate", [](Multiplication& call) { call.accumulate = 3; },
                            "accumulate is 3; allowed are 0 and 1"},
        WrongMultiplication{"BiasType", [](Multiplication& call) { call.bias_type = 0; },
                            "bias_type is 0 (uint8); allowed are float32 (6), float16 (5) and bfloat16 (15)"},
        WrongMultiplication{"TargetType", [](Multiplication& call) { call.target_type = e4m3; },
                            "target_type is 24 (float8_e4m3fn); allowed are float32 (6), float16 (5) and bfloat16 "
                            "(15)"},
        WrongMultiplication{"Negative", [](Multiplication& call) { call.k = -3; },
                            "m is 2 and k is -3; neither may be negative, and together they may have at most "
                            "2305843009213693951 elements of 4 bytes"},
        WrongMultiplication{"BytesOfBias",
                            [](Multiplication& call) { call.bias_type = float32, call.m = 0, call.n = INT64_MAX; },
                            "n is 9223372036854775807; allowed are 0 to 2305843009213693951 elements of 4 bytes"},
        WrongMultiplication{"NoCodes", [](Multiplication& call) { call.a = nullptr; },
                            "a is null; give the address of memory for it"},
        WrongMultiplication{"NoScales", [](Multiplication& call) { call.b_scales = nullptr; },
                            "b_scales is null; give the address of memory for it"},
        WrongMultiplication{"NoTarget", [](Multiplication& call) { call.to = nullptr; },
                            "target is null; give the address of memory for it"},
        WrongMultiplication{"Overlap",
                            [](Multiplication& call) { call.bias_type = float32, call.to = call.bias.data(); },
                            "target (32 bytes) overlaps bias (16 bytes); give target memory of its own"}),
    [](const auto& test) { return test.param.name; });

TEST(ScaledProductMemory, FailuresWriteNothingAndLeaveNone)
{
    const Sides sides{random_side(NBIT_SCALING_TENSOR, e4m3, 20, 30, false, Scales::any, 1),
                      random_side(NBIT_SCALING_TENSOR, e4m3, 40, 30, false, Scales::any, 2)};
    const Context context = cpu_context(1);
    int64_t before = 0, after = 0, blocks = 0;
    nbit_memory_count(&before, &blocks);
    int failures = 0;
    for (int64_t allocation = 1;; ++allocation) {
        std::vector<float> target(800, 3);
        nbit_memory_fail(allocation);
        const int32_t status =
            multiply(context.get(), sides, {float32, std::vector<float>(40, 1), false}, target.data());
        nbit_memory_fail(0);
        if (status == NBIT_STATUS_OK) break;
        ++failures;
        EXPECT_EQ(status, NBIT_STATUS_OUT_OF_MEMORY);
        EXPECT_EQ(target, std::vector<float>(800, 3));
    }
    nbit_memory_count(&after, &blocks);
    EXPECT_GT(failures, 1);
    EXPECT_EQ(before, after);
}

#if defined(__x86_64__)
TEST(ScaledProductTables, AreTheInstructionSetsOwn)
{
    EXPECT_EQ(scaled_products_of(NBIT_INSTRUCTION_SET_SCALAR), &scalar::scaled_product);
    EXPECT_EQ(scaled_products_of(NBIT_INSTRUCTION_SET_AVX2), &avx2::scaled_product);
    EXPECT_EQ(scaled_products_of(NBIT_INSTRUCTION_SET_AVX512), &avx512::scaled_product);
    EXPECT_EQ(scaled_products_of(NBIT_INSTRUCTION_SET_AVX512BF16), &avx512bf16::scaled_product);
}
#endif

} // namespace
} // namespace nbit::test
