// Int8 linear layers through the ABI: every instruction set against what the reference twins of their parts compose
// to.
#include "abi.h"
#include "linear8_cases.h"

#include <algorithm>
#include <optional>
#include <random>

namespace nbit::test
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32;
const float nan = std::numeric_limits<float>::quiet_NaN();

class Linear8 : public testing::TestWithParam<std::tuple<nbit_instruction_set, nbit_data_type>>
{
protected:
    void SetUp() override
    {
        if (!machine_has(set())) GTEST_SKIP() << "this machine lacks " << instruction_set_name(set());
        forced_.emplace(set());
    }
    nbit_instruction_set set() const { return std::get<0>(GetParam()); }
    int32_t type() const { return std::get<1>(GetParam()); }

    void expect_definition(const Layer& layer) const
    {
        const Bytes expected = expected_forward(layer);
        for (const int32_t threads : {1, 3})
            ASSERT_TRUE(same_numbers(type(), expected, result_of(forward, layer, layer.output_bytes(), threads)))
                << layer.shape.rows << " x " << layer.shape.inputs << " x " << layer.shape.outputs << ", " << threads
                << " threads";
    }

private:
    std::optional<ForcedInstructionSet> forced_;
};

const std::vector<Shape> shapes{{1, 1, 1},   {1, 130, 257}, {2, 33, 50},   {50, 33, 50},  {17, 129, 771},
                                {4, 300, 0}, {519, 5, 33},  {1040, 3, 65}, {64, 256, 520}};

TEST_P(Linear8, GivesTheBitsThatItsDefinitionGives)
{
    for (const Shape& shape : shapes)
        for (const bool has_bias : {true, false}) {
            Layer layer = make_layer(shape, type());
            if (!has_bias) layer.bias.clear();
            expect_definition(layer);
            layer.threshold = 0;
            expect_definition(layer);
        }
}

TEST_P(Linear8, MultipliesOutlierColumnsApart)
{
    for (const Shape& shape : shapes)
        for (const int64_t step : {1, 7, 1000}) {
            Layer layer = make_layer(shape, type());
            add_outliers(layer, step);
            expect_definition(layer);
        }
}

TEST_P(Linear8, KeepsNaNAndInfinitiesInTheirRows)
{
    for (const float threshold : {0.0f, 6.0f}) {
        Layer layer = make_layer({5, 40, 70}, type());
        std::vector<float> x = widened(type(), layer.x);
        x[3] = nan;
        x[70 + 4] = infinity;
        x[140 + 5] = -infinity;
        layer.x = rounded(type(), x);
        layer.threshold = threshold;
        expect_definition(layer);
        const std::vector<float> y = widened(type(), result_of(forward, layer, layer.output_bytes(), 1));
        for (size_t c = 0; c < 40; ++c) {
            EXPECT_TRUE(std::isnan(y[c]));
            EXPECT_FALSE(std::isfinite(y[40 + c]));
            EXPECT_FALSE(std::isfinite(y[80 + c]));
            EXPECT_TRUE(std::isfinite(y[120 + c]));
        }
    }
}

TEST_P(Linear8, GivesTheSameGradientWithAnyNumberOfThreads)
{
    for (const Shape& shape : shapes) {
        const Layer layer = make_layer(shape, type());
        const Bytes alone = result_of(backward, layer, layer.input_bytes(), 1);
        ASSERT_TRUE(same_bytes(alone, result_of(backward, layer, layer.input_bytes(), 3)));
        // One row's gradient does not depend on the others
        Layer last = layer;
        last.shape.rows = 1;
        last.gradient.erase(last.gradient.begin(), last.gradient.end() - shape.outputs * data_type_size(type()));
        const Bytes row = result_of(backward, last, last.input_bytes(), 1);
        ASSERT_TRUE(same_bytes(Bytes(alone.end() - last.input_bytes(), alone.end()), row));
    }
}

TEST_P(Linear8, GradientIsThatOfTheReferenceTwinWhereSumsAreExact)
{
    // Codes and gradients that are small integers, and an absmax that makes a weight its code
    for (const Shape& shape : shapes) {
        Layer layer = make_layer(shape, type());
        std::fill(layer.absmax.begin(), layer.absmax.end(), 127.0f);
        std::mt19937 random(8);
        std::vector<float> gradient(static_cast<size_t>(shape.rows * shape.outputs));
        for (float& g : gradient)
            g = static_cast<float>(static_cast<int>(random() % 5) - 2);
        layer.gradient = rounded(type(), gradient);
        for (int8_t& code : layer.codes)
            code = static_cast<int8_t>(code % 3);
        std::vector<float> expected;
        for (int64_t r = 0; r < shape.rows; ++r)
            for (int64_t c = 0; c < shape.inputs; ++c) {
                float sum = 0;
                for (int64_t o = 0; o < shape.outputs; ++o)
                    sum += gradient[static_cast<size_t>(r * shape.outputs + o)] *
                           static_cast<float>(layer.codes[static_cast<size_t>(o * shape.inputs + c)]);
                expected.push_back(sum);
            }
        ASSERT_TRUE(same_numbers(type(), rounded(type(), expected),
                                 rounded(type(), widened(type(), result_of(backward, layer, layer.input_bytes(), 2)))));
    }
}

TEST_P(Linear8, MultipliesAndDequantizesInOneCallOrTwo)
{
    for (const Shape& shape : shapes) {
        const auto [m, n, k] = shape;
        const std::vector<int8_t> a = random_codes(m * k, 2), b = random_codes(n * k, 3);
        const std::vector<float> rows = magnitudes(m, 6), columns = magnitudes(n, 7);
        const std::vector<float> bias = random_numbers(Numbers::ordinary, n, 8);
        const Bytes expected = dequantized_product(a, rows, {b.data(), n, k}, columns, bias, {}, type());
        const Context context = cpu_context(2);
        std::vector<int32_t> product(static_cast<size_t>(m * n));
        ASSERT_EQ(nbit_int8_multiply(context.get(), a.data(), b.data(), m, n, k, product.data()), NBIT_STATUS_OK)
            << last_error();
        Bytes two(expected.size()), one(expected.size());
        ASSERT_EQ(nbit_int8_product_dequantize(context.get(), product.data(), m, n, rows.data(), columns.data(),
                                               float32, bias.data(), type(), two.data()),
                  NBIT_STATUS_OK)
            << last_error();
        ASSERT_EQ(nbit_int8_multiply_dequantize(context.get(), a.data(), rows.data(), b.data(), columns.data(), m, n, k,
                                                float32, bias.data(), type(), one.data()),
                  NBIT_STATUS_OK)
            << last_error();
        ASSERT_TRUE(same_bytes(expected, two));
        ASSERT_TRUE(same_bytes(expected, one));
    }
}

#if defined(__x86_64__)
TEST_P(Linear8, DoesNotDependOnTheFloatingPointMode)
{
    Layer layer = make_layer({3, 40, 70}, type());
    add_outliers(layer, 9);
    std::fill(layer.absmax.begin(), layer.absmax.begin() + 20, 1e-39f);
    const Bytes y = result_of(forward, layer, layer.output_bytes(), 1);
    const Bytes grad_x = result_of(backward, layer, layer.input_bytes(), 1);
    const OddFloatMode odd;
    EXPECT_TRUE(same_bytes(y, result_of(forward, layer, layer.output_bytes(), 1)));
    EXPECT_TRUE(same_bytes(grad_x, result_of(backward, layer, layer.input_bytes(), 1)));
}
#endif

INSTANTIATE_TEST_SUITE_P(All, Linear8,
                         testing::Combine(testing::ValuesIn(all_instruction_sets()), testing::ValuesIn(number_formats)),
                         [](const auto& test) {
                             return std::string(instruction_set_name(std::get<0>(test.param))) + "_" +
                                    data_type_name(std::get<1>(test.param));
                         });

TEST(Linear8Gradient, OfTheWeightIsAProductOfColumnsThatWereQuantized)
{
    constexpr int64_t rows = 40, outputs = 9, inputs = 21;
    const Context context = cpu_context(2);
    const std::vector<float> gradient = random_numbers(Numbers::ordinary, rows * outputs, 1);
    const std::vector<float> x = random_numbers(Numbers::ordinary, rows * inputs, 2);
    std::vector<int8_t> a(outputs * rows), b(inputs * rows);
    std::vector<float> a_absmax(outputs), b_absmax(inputs), found(outputs * inputs);
    Bytes left_out(inputs);
    left_out[4] = 1;
    ASSERT_EQ(nbit_columns8_quantize(context.get(), float32, gradient.data(), rows, outputs, nullptr, a.data(),
                                     a_absmax.data()),
              NBIT_STATUS_OK);
    ASSERT_EQ(nbit_columns8_quantize(context.get(), float32, x.data(), rows, inputs, left_out.data(), b.data(),
                                     b_absmax.data()),
              NBIT_STATUS_OK);
    ASSERT_EQ(nbit_int8_multiply_dequantize(context.get(), a.data(), a_absmax.data(), b.data(), b_absmax.data(),
                                            outputs, inputs, rows, float32, nullptr, float32, found.data()),
              NBIT_STATUS_OK);
    for (int64_t o = 0; o < outputs; ++o)
        for (int64_t i = 0; i < inputs; ++i) {
            double exact = 0, magnitude = 0;
            for (int64_t r = 0; r < rows; ++r) {
                const double g = static_cast<double>(gradient[static_cast<size_t>(r * outputs + o)]);
                exact += g * static_cast<double>(x[static_cast<size_t>(r * inputs + i)]);
                magnitude += std::fabs(g) * static_cast<double>(b_absmax[static_cast<size_t>(i)]) +
                             std::fabs(static_cast<double>(x[static_cast<size_t>(r * inputs + i)])) *
                                 static_cast<double>(a_absmax[static_cast<size_t>(o)]);
            }
            // Each factor is off by at most half a step, 1 / 254 of its column's absmax; 1e-5 for float32
            const double product = static_cast<double>(a_absmax[static_cast<size_t>(o)]) *
                                   static_cast<double>(b_absmax[static_cast<size_t>(i)]);
            const double bound = (magnitude + rows * product / 254) / 254 + 1e-5;
            const double value = static_cast<double>(found[static_cast<size_t>(o * inputs + i)]);
            EXPECT_NEAR(value, i == 4 ? 0 : exact, i == 4 ? 0 : bound) << o << ", " << i;
        }
}

} // namespace
} // namespace nbit::test
