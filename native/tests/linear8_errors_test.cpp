// What int8 products and linear layers refuse, and what they need no memory for.
#include "abi.h"
#include "linear8_cases.h"

#include <algorithm>

namespace nbit::test
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32;
const float nan = std::numeric_limits<float>::quiet_NaN();

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
