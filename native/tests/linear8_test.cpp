// Products of int8 matrices and int8 linear layers through the ABI: every instruction set against what the reference
// twins of their parts compose to, and what is refused.
#include "abi.h"
#include "cpu/gradients8.h"
#include "cpu/rows8.h"
#include "guarded.h"
#include "inputs.h"

#include <algorithm>
#include <functional>
#include <random>

namespace nbit::test
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32, float16 = NBIT_DATA_TYPE_FLOAT16;
const float nan = std::numeric_limits<float>::quiet_NaN();

struct Shape {
    int64_t rows, outputs, inputs;
};

// A layer, what it is given and the gradient of what it gives.
struct Layer {
    Shape shape;
    int32_t type;
    std::vector<int8_t> codes;
    std::vector<float> absmax;
    Bytes x, bias, gradient;
    float threshold = 6;

    const void* bias_or_null() const { return bias.empty() ? nullptr : bias.data(); }
    int64_t output_bytes() const { return shape.rows * shape.outputs * data_type_size(type); }
    int64_t input_bytes() const { return shape.rows * shape.inputs * data_type_size(type); }
};

std::vector<int8_t> random_codes(int64_t count)
{
    std::mt19937 random(1);
    std::vector<int8_t> codes(static_cast<size_t>(count));
    for (int8_t& code : codes)
        code = static_cast<int8_t>(static_cast<int>(random() % 255) - 127);
    return codes;
}

std::vector<float> magnitudes(int64_t count, unsigned seed)
{
    std::vector<float> numbers = random_numbers(Numbers::ordinary, count, seed);
    for (float& x : numbers)
        x = std::fabs(x);
    return numbers;
}

Layer make_layer(const Shape& shape, int32_t type)
{
    return {shape,
            type,
            random_codes(shape.outputs * shape.inputs),
            magnitudes(shape.outputs, 2),
            rounded(type, random_numbers(Numbers::ordinary, shape.rows * shape.inputs, 3)),
            rounded(type, random_numbers(Numbers::ordinary, shape.outputs, 4)),
            rounded(type, random_numbers(Numbers::ordinary, shape.rows * shape.outputs, 5))};
}

// Every `step`-th column of x gets an outlier in some row.
void add_outliers(Layer& layer, int64_t step)
{
    std::vector<float> x = widened(layer.type, layer.x);
    for (int64_t c = 0, row = 0; c < layer.shape.inputs; c += step, ++row)
        x[static_cast<size_t>(row % layer.shape.rows * layer.shape.inputs + c)] = c % 2 ? 6 : -23.5f;
    layer.x = rounded(layer.type, x);
}

Bytes dequantized_product(const std::vector<int8_t>& a, const std::vector<float>& row_absmax, const Weight8& weight,
                          const std::vector<float>& column_absmax, const std::vector<float>& bias,
                          const std::vector<float>& addend, int32_t type)
{
    const Products8Table& twin = reference::products8;
    const auto rows = static_cast<int64_t>(row_absmax.size());
    std::vector<int32_t> sums(static_cast<size_t>(rows * weight.rows));
    twin.multiply(reinterpret_cast<const std::byte*>(a.data()), rows, weight, sums.data(), weight.rows, nullptr);
    Bytes target(sums.size() * static_cast<size_t>(data_type_size(type)));
    twin.dequantize.find(type)({sums.data(), rows, weight.rows, weight.rows, row_absmax.data(), column_absmax.data(),
                                bias.empty() ? nullptr : bias.data(), addend.empty() ? nullptr : addend.data(),
                                weight.rows},
                               target.data(), weight.rows);
    return target;
}

// The layer by the definitions of its parts.
Bytes expected_forward(const Layer& layer)
{
    const auto [rows, outputs, inputs] = layer.shape;
    const Bytes x = rounded(float16, widened(layer.type, layer.x));
    std::vector<int8_t> codes(static_cast<size_t>(rows * inputs));
    std::vector<float> absmax(static_cast<size_t>(rows)), apart, addend;
    Bytes flags(static_cast<size_t>(inputs));
    reference::rows8.quantize.find(float16)(x.data(), rows, inputs, layer.threshold, codes.data(), absmax.data(),
                                            flags.data(), false);
    clear_columns(codes.data(), rows, inputs, flags.data());
    const Weight8 weight{layer.codes.data(), outputs, inputs};
    std::vector<int64_t> columns;
    for (int64_t c = 0; c < inputs; ++c)
        if (flags[static_cast<size_t>(c)]) columns.push_back(c);
    if (!columns.empty()) {
        const std::vector<float> numbers = widened(float16, x);
        for (int64_t r = 0; r < rows; ++r)
            for (const int64_t c : columns)
                apart.push_back(numbers[static_cast<size_t>(r * inputs + c)]);
        addend.resize(static_cast<size_t>(rows * outputs));
        reference::products8.multiply_outliers(apart.data(), rows,
                                               {columns.data(), static_cast<int64_t>(columns.size())}, weight,
                                               layer.absmax.data(), addend.data(), outputs, nullptr);
    }
    return dequantized_product(codes, absmax, weight, layer.absmax, widened(layer.type, layer.bias), addend,
                               layer.type);
}

int32_t forward(nbit_context* context, const Layer& layer, void* y)
{
    return nbit_linear8_forward(context, layer.codes.data(), layer.absmax.data(), layer.shape.outputs,
                                layer.shape.inputs, layer.type, layer.x.data(), layer.shape.rows, layer.threshold,
                                layer.type, layer.bias_or_null(), y);
}

int32_t backward(nbit_context* context, const Layer& layer, void* grad_x)
{
    return nbit_linear8_backward(context, layer.codes.data(), layer.absmax.data(), layer.shape.outputs,
                                 layer.shape.inputs, layer.type, layer.gradient.data(), layer.shape.rows, grad_x);
}

using Call = std::function<int32_t(nbit_context*, const Layer&, void*)>;
Bytes result_of(const Call& call, const Layer& layer, int64_t bytes, int32_t threads)
{
    const Context context = cpu_context(threads);
    Guarded<char> target(bytes, 3);
    EXPECT_EQ(call(context.get(), layer, target.data()), NBIT_STATUS_OK) << last_error();
    EXPECT_TRUE(target.is_intact());
    return target.bytes();
}

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
        const std::vector<int8_t> a = random_codes(m * k + 1), b = random_codes(n * k);
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
            // Each factor is off by at most half a step, 1 / 254 of its column's absmax, and the product of the steps
            const double bound = magnitude / 254 * 1.01;
            const double value = static_cast<double>(found[static_cast<size_t>(o * inputs + i)]);
            EXPECT_NEAR(value, i == 4 ? 0 : exact, i == 4 ? 0 : bound) << o << ", " << i;
        }
}

TEST(Linear8Memory, WritesNothingWhereAnAllocationFails)
{
    const Context context = cpu_context(2);
    for (const auto& [name, call] :
         std::vector<std::pair<const char*, Call>>{{"forward", forward}, {"backward", backward}}) {
        Layer layer = make_layer({20, 33, 50}, float32);
        add_outliers(layer, 10);
        const int64_t bytes = std::max(layer.output_bytes(), layer.input_bytes());
        int64_t before = 0, after = 0, blocks = 0;
        Bytes target(static_cast<size_t>(bytes), 0x5a);
        nbit_memory_count(&before, &blocks);
        int failures = 0;
        for (int32_t status = NBIT_STATUS_OUT_OF_MEMORY; status != NBIT_STATUS_OK; ++failures) {
            ASSERT_EQ(nbit_memory_fail(failures + 1), NBIT_STATUS_OK);
            status = call(context.get(), layer, target.data());
            if (status == NBIT_STATUS_OK) break;
            ASSERT_EQ(status, NBIT_STATUS_OUT_OF_MEMORY) << name << ", allocation " << failures + 1;
            ASSERT_EQ(target, Bytes(static_cast<size_t>(bytes), 0x5a)) << name << ", allocation " << failures + 1;
        }
        nbit_memory_fail(0);
        EXPECT_GE(failures, 3) << name;
        nbit_memory_count(&after, &blocks);
        EXPECT_EQ(before, after) << name;
    }
}

struct BadCall {
    const char* name;
    const char* message; // a part of it
    std::function<int32_t(nbit_context*, Layer&, void*)> call;
};
void PrintTo(const BadCall& bad, std::ostream* out) { *out << bad.name; }

class Linear8Errors : public testing::TestWithParam<BadCall>
{
};

TEST_P(Linear8Errors, NameTheArgumentAndWriteNothing)
{
    const Context context = cpu_context(1);
    Layer layer = make_layer({4, 33, 50}, float32);
    Bytes target(4 * 50 * 4, 0x5a);
    EXPECT_EQ(GetParam().call(context.get(), layer, target.data()), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_NE(last_error().find(GetParam().message), std::string::npos) << last_error();
    EXPECT_EQ(target, Bytes(target.size(), 0x5a));
}

template <class Change> BadCall bad_forward(const char* name, const char* message, const Change& change)
{
    return {name, message, [change](nbit_context* context, Layer& layer, void* y) {
                change(layer);
                return forward(context, layer, y);
            }};
}
template <class Change> BadCall bad_backward(const char* name, const char* message, const Change& change)
{
    return {name, message, [change](nbit_context* context, Layer& layer, void* grad_x) {
                change(layer);
                return backward(context, layer, grad_x);
            }};
}

INSTANTIATE_TEST_SUITE_P(
    All, Linear8Errors,
    testing::Values(
        BadCall{"ForwardContext", "context is null",
                [](nbit_context*, Layer& l, void* y) { return forward(nullptr, l, y); }},
        BadCall{"ForwardNullY", "y is null", [](nbit_context* c, Layer& l, void*) { return forward(c, l, nullptr); }},
        bad_forward("ForwardType", "x_type is 1 (int8)", [](Layer& l) { l.type = NBIT_DATA_TYPE_INT8; }),
        bad_forward("ForwardRows", "rows is -1", [](Layer& l) { l.shape.rows = -1; }),
        bad_forward("ForwardInputs", "in_features is 131072",
                    [](Layer& l) {
                        l.shape = {0, 0, 131072};
                    }),
        bad_forward("ForwardOverflow", "together", [](Layer& l) { l.shape.outputs = int64_t{1} << 61; }),
        bad_forward("ForwardThreshold", "threshold is -1", [](Layer& l) { l.threshold = -1; }),
        bad_forward("ForwardNaNThreshold", "threshold is nan", [](Layer& l) { l.threshold = nan; }),
        BadCall{"ForwardBiasType", "bias_type is 3 (int32)",
                [](nbit_context* c, Layer& l, void* y) {
                    return nbit_linear8_forward(c, l.codes.data(), l.absmax.data(), 33, 50, float32, l.x.data(), 4, 6,
                                                NBIT_DATA_TYPE_INT32, l.bias.data(), y);
                }},
        BadCall{"ForwardNullCodes", "codes is null",
                [](nbit_context* c, Layer& l, void* y) {
                    return nbit_linear8_forward(c, nullptr, l.absmax.data(), 33, 50, float32, l.x.data(), 4, 6, float32,
                                                nullptr, y);
                }},
        BadCall{"ForwardOverlap", "y (528 bytes) overlaps x",
                [](nbit_context* c, Layer& l, void*) { return forward(c, l, l.x.data() + 8); }},
        BadCall{"BackwardNull", "grad_x is null",
                [](nbit_context* c, Layer& l, void*) { return backward(c, l, nullptr); }},
        bad_backward("BackwardType", "y_type is 24", [](Layer& l) { l.type = NBIT_DATA_TYPE_FLOAT8_E4M3FN; }),
        bad_backward("BackwardInputs", "columns is -50", [](Layer& l) { l.shape.inputs = -50; }),
        BadCall{"BackwardOverlap", "grad_x (800 bytes) overlaps codes",
                [](nbit_context* c, Layer& l, void*) { return backward(c, l, l.codes.data()); }},
        BadCall{"MultiplyTerms", "k is 131072",
                [](nbit_context* c, Layer& l, void* y) {
                    return nbit_int8_multiply(c, l.codes.data(), l.codes.data(), 0, 0, 131072,
                                              static_cast<int32_t*>(y));
                }},
        BadCall{"MultiplyNull", "b is null",
                [](nbit_context* c, Layer& l, void* y) {
                    return nbit_int8_multiply(c, l.codes.data(), nullptr, 2, 2, 2, static_cast<int32_t*>(y));
                }},
        BadCall{"MultiplyOverlap", "product (16 bytes) overlaps a",
                [](nbit_context* c, Layer& l, void* y) {
                    return nbit_int8_multiply(c, static_cast<const int8_t*>(y), l.codes.data(), 2, 2, 2,
                                              static_cast<int32_t*>(y));
                }},
        BadCall{"DequantizeType", "target_type is 0 (uint8)",
                [](nbit_context* c, Layer& l, void* y) {
                    const int32_t sums[4] = {};
                    return nbit_int8_product_dequantize(c, sums, 2, 2, l.absmax.data(), l.absmax.data(), float32,
                                                        nullptr, NBIT_DATA_TYPE_UINT8, y);
                }},
        BadCall{"DequantizeNull", "column_absmax is null",
                [](nbit_context* c, Layer& l, void* y) {
                    const int32_t sums[4] = {};
                    return nbit_int8_product_dequantize(c, sums, 2, 2, l.absmax.data(), nullptr, float32, nullptr,
                                                        float32, y);
                }},
        BadCall{"BothNull", "row_absmax is null",
                [](nbit_context* c, Layer& l, void* y) {
                    return nbit_int8_multiply_dequantize(c, l.codes.data(), nullptr, l.codes.data(), l.absmax.data(), 2,
                                                         2, 2, float32, nullptr, float32, y);
                }}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(Linear8Sizes, OfZeroNeedNoMemory)
{
    const Context context = cpu_context(2);
    EXPECT_EQ(nbit_linear8_forward(context.get(), nullptr, nullptr, 0, 0, float32, nullptr, 0, 6, 0, nullptr, nullptr),
              NBIT_STATUS_OK);
    EXPECT_EQ(nbit_linear8_backward(context.get(), nullptr, nullptr, 0, 0, float32, nullptr, 0, nullptr),
              NBIT_STATUS_OK);
    EXPECT_EQ(nbit_int8_multiply(context.get(), nullptr, nullptr, 0, 0, 0, nullptr), NBIT_STATUS_OK);
    std::vector<int32_t> product(6, 7);
    EXPECT_EQ(nbit_int8_multiply(context.get(), nullptr, nullptr, 2, 3, 0, product.data()), NBIT_STATUS_OK);
    EXPECT_EQ(product, std::vector<int32_t>(6));
    std::vector<float> grad_x(6, 7);
    EXPECT_EQ(nbit_linear8_backward(context.get(), nullptr, nullptr, 0, 3, float32, nullptr, 2, grad_x.data()),
              NBIT_STATUS_OK);
    EXPECT_EQ(grad_x, std::vector<float>(6));
}

} // namespace
} // namespace nbit::test
