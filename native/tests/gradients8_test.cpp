// Gradients of int8 linear layers: the kernels of every instruction set against the reference twin, which sums in
// double.
#include "cpu/gradients8.h"
#include "guarded.h"
#include "inputs.h"

#include <cmath>

namespace nbit::test
{
namespace
{

struct GradientCase {
    int64_t rows, outputs, columns;
};

struct Operands {
    Bytes gradient;            // [rows, outputs]
    std::vector<int8_t> codes; // [outputs, columns + 3]
    std::vector<float> absmax;
};

Operands random_operands(const GradientCase& one, int32_t type)
{
    return {rounded(type, random_numbers(Numbers::ordinary, one.rows * one.outputs, 2)),
            random_codes(one.outputs * (one.columns + 3), 1), random_numbers(Numbers::ordinary, one.outputs, 3)};
}

// Into memory whose rows are further apart than they are long: [rows, columns + 5].
Bytes multiply(const Gradients8Table& kernels, int32_t type, const GradientCase& one, const Operands& operands)
{
    const int64_t size = data_type_size(type), stride = one.columns + 5, panels = panel_count8(one.rows);
    Guarded<std::byte> packed(one.rows * one.outputs * packed_gradient_bytes8);
    Guarded<std::byte> workspace(kernels.workspace_bytes(one.rows));
    Guarded<char> target(((one.rows - 1) * stride + one.columns) * size, one.columns % 2);
    const PackGradient8 pack = kernels.pack.find(type);
    pack(operands.gradient.data(), one.rows, one.outputs, {panels / 2, panels}, packed.data());
    pack(operands.gradient.data(), one.rows, one.outputs, {0, panels / 2}, packed.data());
    kernels.multiply.find(type)(
        packed.data(), one.rows,
        {operands.codes.data(), one.outputs, one.columns, one.columns + 3, operands.absmax.data()}, target.data(),
        stride, workspace.data());
    EXPECT_TRUE(packed.is_intact() && workspace.is_intact() && target.is_intact())
        << one.rows << " x " << one.outputs << " x " << one.columns;
    return target.bytes();
}

// The sum of the magnitudes of an element's products, of which float32 sums miss a little.
double magnitude(const GradientCase& one, int32_t type, const Operands& operands, int64_t row, int64_t column)
{
    const std::vector<float> gradient = widened(type, operands.gradient);
    double sum = 0;
    for (int64_t o = 0; o < one.outputs; ++o)
        sum += std::fabs(static_cast<double>(gradient[static_cast<size_t>(row * one.outputs + o)]) *
                         operands.codes[static_cast<size_t>(o * (one.columns + 3) + column)] *
                         static_cast<double>(operands.absmax[static_cast<size_t>(o)]) / 127);
    return sum;
}

// The spacing of a format's numbers relative to their size.
double spacing(int32_t type)
{
    return type == NBIT_DATA_TYPE_FLOAT32 ? 0x1p-23 : type == NBIT_DATA_TYPE_FLOAT16 ? 0x1p-10 : 0x1p-7;
}

TEST(Gradients8Reference, RoundsTheDequantizedWeightToTheGradientsFormat)
{
    const std::vector<int8_t> codes{3, -127, /* second row */ 100, 0};
    const std::vector<float> absmax{0.7f, 1.3f}, gradient{2, -4};
    for (const int32_t type : number_formats) {
        const Bytes from = rounded(type, gradient);
        Bytes packed(8), target(static_cast<size_t>(2 * data_type_size(type)));
        auto* bytes = reinterpret_cast<std::byte*>(packed.data());
        reference::gradients8.pack.find(type)(from.data(), 1, 2, {0, 1}, bytes);
        reference::gradients8.multiply.find(type)(bytes, 1, {codes.data(), 2, 2, 2, absmax.data()}, target.data(), 2,
                                                  nullptr);
        const float step = 1.0f / 127;
        const std::vector<float> w =
            widened(type, rounded(type, {3 * 0.7f * step, -127 * 0.7f * step, 100 * 1.3f * step}));
        EXPECT_TRUE(same_bytes(rounded(type, {2 * w[0] - 4 * w[2], 2 * w[1]}), target)) << data_type_name(type);
    }
}

class Gradients8 : public testing::TestWithParam<std::tuple<nbit_instruction_set, nbit_data_type>>
{
protected:
    void SetUp() override
    {
        if (!machine_has(set())) GTEST_SKIP() << "this machine lacks " << instruction_set_name(set());
    }
    nbit_instruction_set set() const { return std::get<0>(GetParam()); }
    int32_t type() const { return std::get<1>(GetParam()); }
    const Gradients8Table& kernels() const { return gradients8_of(set()); }

    // Of float32 sums of n products each addition errs by half a unit of the partial sum, which is at most the sum of
    // the magnitudes: n * 2^-24 of it. The rounding to the format moves that by half a spacing on either side.
    void expect_close(const GradientCase& one) const
    {
        const Operands operands = random_operands(one, type());
        const std::vector<float> expected = widened(type(), multiply(reference::gradients8, type(), one, operands));
        const std::vector<float> found = widened(type(), multiply(kernels(), type(), one, operands));
        for (int64_t r = 0; r < one.rows; ++r)
            for (int64_t c = 0; c < one.columns; ++c) {
                const auto at = static_cast<size_t>(r * (one.columns + 5) + c);
                const double exact = static_cast<double>(expected[at]);
                const double of_sum =
                    static_cast<double>(one.outputs) * 0x1p-24 * magnitude(one, type(), operands, r, c);
                const double bound = of_sum + spacing(type()) * std::fabs(exact) + 0x1p-24;
                ASSERT_NEAR(static_cast<double>(found[at]), exact, bound)
                    << one.rows << " x " << one.outputs << " x " << one.columns << ", row " << r << ", column " << c;
            }
    }
};

TEST_P(Gradients8, AreCloseForEveryNumberOfRows)
{
    for (int64_t rows = 1; rows <= 31; ++rows)
        expect_close({rows, 9, 33});
    expect_close({block_rows8, 3, 17});
}

TEST_P(Gradients8, AreCloseForEveryDepth)
{
    for (int64_t outputs = 1; outputs <= 40; ++outputs)
        expect_close({3, outputs, 20});
    for (const int64_t outputs : {191, 192, 193, 255, 256, 257, 384, 385, 700})
        expect_close({5, outputs, 9});
}

TEST_P(Gradients8, AreCloseForEveryNumberOfColumns)
{
    for (int64_t columns = 1; columns <= block_columns8; ++columns)
        expect_close({2, 5, columns});
}

TEST_P(Gradients8, OfALayerWithoutOutputsAreZero)
{
    const GradientCase none{3, 0, 70};
    const Bytes found = multiply(kernels(), type(), none, random_operands(none, type()));
    const std::vector<float> numbers = widened(type(), found);
    for (int64_t c = 0; c < none.columns; ++c)
        EXPECT_EQ(numbers[static_cast<size_t>(c)], 0) << c;
}

TEST_P(Gradients8, KeepNaNAndInfinitiesInTheirRows)
{
    const GradientCase one{3, 70, 40};
    Operands operands = random_operands(one, type());
    std::vector<float> gradient = widened(type(), operands.gradient);
    gradient[5] = std::numeric_limits<float>::quiet_NaN();
    gradient[70 + 6] = infinity;
    operands.gradient = rounded(type(), gradient);
    const std::vector<float> found = widened(type(), multiply(kernels(), type(), one, operands));
    for (int64_t c = 0; c < one.columns; ++c) {
        const size_t at = static_cast<size_t>(c), stride = static_cast<size_t>(one.columns + 5);
        EXPECT_TRUE(std::isnan(found[at])) << c;
        EXPECT_FALSE(std::isfinite(found[stride + at])) << c;
        EXPECT_TRUE(std::isfinite(found[2 * stride + at])) << c;
    }
}

INSTANTIATE_TEST_SUITE_P(All, Gradients8,
                         testing::Combine(testing::ValuesIn(all_instruction_sets()), testing::ValuesIn(number_formats)),
                         [](const auto& test) {
                             return std::string(instruction_set_name(std::get<0>(test.param))) + "_" +
                                    data_type_name(std::get<1>(test.param));
                         });

} // namespace
} // namespace nbit::test
