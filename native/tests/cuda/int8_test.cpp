#include "cuda_fixture.h"

#include <cmath>
#include <limits>

namespace nbit::test
{
namespace
{

constexpr int32_t float16 = NBIT_DATA_TYPE_FLOAT16, float32 = NBIT_DATA_TYPE_FLOAT32;
constexpr int64_t rows = 5, columns = 12, terms = 20; // of products: m, n and k

Bytes nothing(int64_t count, int64_t size) { return Bytes(static_cast<size_t>(count * size), 0xee); }

std::vector<float> absmax_of(int64_t count, unsigned seed)
{
    std::vector<float> absmax = random_numbers(Numbers::ordinary, count, seed);
    for (float& x : absmax)
        x = std::fabs(x);
    return absmax;
}

// Rows with NaN, infinities, zeros only and ordinary numbers.
std::vector<float> special_rows(int64_t count, int64_t width)
{
    std::vector<float> x = random_numbers(Numbers::ordinary, count * width, 7);
    const auto at = [&](int64_t row, int64_t column) -> float& { return x[static_cast<size_t>(row * width + column)]; };
    for (int64_t j = 0; j < width; ++j)
        at(1, j) = 0;
    at(2, 3) = std::numeric_limits<float>::quiet_NaN();
    at(4, 0) = -std::numeric_limits<float>::infinity();
    return x;
}

using CudaInt8 = CudaTest;

TEST_F(CudaInt8, RowsAreQuantizedAsOnTheCpu)
{
    for (const int64_t width : {20, 64, 100, 5000}) {
        const std::vector<Bytes> memory = {rounded(float16, special_rows(rows, width)), nothing(rows * width, 1),
                                           nothing(rows, sizeof(float)), nothing(width, 1)};
        expect_same_as_on_cpu(memory, [&](nbit_context* on, const Addresses& a) {
            return nbit_rows8_quantize(on, float16, a[0], rows, width, 0, static_cast<int8_t*>(a[1]),
                                       static_cast<float*>(a[2]), static_cast<uint8_t*>(a[3]));
        });
    }
}

TEST_F(CudaInt8, RowsPassTheirArguments)
{
    const void* source = upload(rounded(float16, random_numbers(Numbers::ordinary, rows * columns, 1)));
    auto* codes = upload(std::vector<int8_t>(rows * columns));
    auto* absmax = upload(std::vector<float>(rows));
    ASSERT_EQ(nbit_rows8_quantize(context(), float16, source, rows, columns, 0, codes, absmax, nullptr), NBIT_STATUS_OK)
        << last_error();
    expect_arguments(call_of("cint8_vector_quant"), {{"A", bits(source)},
                                                     {"out", bits(codes)},
                                                     {"rowStats", bits(absmax)},
                                                     {"threshold", 0},
                                                     {"rows", rows},
                                                     {"cols", columns},
                                                     {"stream", bits(stream)}});
}

std::vector<Bytes> product_memory()
{
    return {bytes_of(random_codes(rows * terms, 1)),
            bytes_of(random_codes(columns * terms, 2)),
            bytes_of(absmax_of(rows, 3)),
            bytes_of(absmax_of(columns, 4)),
            rounded(float16, random_numbers(Numbers::ordinary, columns, 5)),
            nothing(rows * columns, sizeof(int32_t)),
            nothing(rows * columns, 2),
            nothing(rows * columns, 2)};
}

TEST_F(CudaInt8, ProductsAreThoseOfTheCpu)
{
    for (const bool has_bias : {false, true})
        expect_same_as_on_cpu(product_memory(), [&](nbit_context* on, const Addresses& a) {
            auto *left = static_cast<int8_t*>(a[0]), *right = static_cast<int8_t*>(a[1]);
            auto *row_absmax = static_cast<float*>(a[2]), *column_absmax = static_cast<float*>(a[3]);
            auto* product = static_cast<int32_t*>(a[5]);
            const void* bias = has_bias ? a[4] : nullptr;
            int32_t status = nbit_int8_multiply(on, left, right, rows, columns, terms, product);
            if (!status)
                status = nbit_int8_product_dequantize(on, product, rows, columns, row_absmax, column_absmax, float16,
                                                      bias, float16, a[6]);
            return status ? status
                          : nbit_int8_multiply_dequantize(on, left, row_absmax, right, column_absmax, rows, columns,
                                                          terms, float16, bias, float16, a[7]);
        });
}

TEST_F(CudaInt8, ProductsPassTheirArgumentsInTheLibrarysOrder)
{
    Addresses a;
    for (const Bytes& bytes : product_memory())
        a.push_back(upload(bytes));
    auto* product = static_cast<int32_t*>(a[5]);
    ASSERT_EQ(nbit_int8_multiply(context(), static_cast<int8_t*>(a[0]), static_cast<int8_t*>(a[1]), rows, columns,
                                 terms, product),
              NBIT_STATUS_OK)
        << last_error();
    const fake::Call& call = call_of("cigemmlt_32");
    expect_arguments(call, {{"context", call.bits_of("context")},
                            {"m", terms},
                            {"n", rows},
                            {"k", columns},
                            {"A", bits(a[1])},
                            {"B", bits(a[0])},
                            {"C", bits(product)},
                            {"row_scale", 0},
                            {"lda", terms},
                            {"ldb", terms},
                            {"ldc", columns},
                            {"stream", bits(stream)}});
    ASSERT_EQ(nbit_int8_product_dequantize(context(), product, rows, columns, static_cast<float*>(a[2]),
                                           static_cast<float*>(a[3]), float16, a[4], float16, a[6]),
              NBIT_STATUS_OK)
        << last_error();
    expect_arguments(call_of("cdequant_mm_int32_fp16"), {{"A", bits(product)},
                                                         {"rowStats", bits(a[2])},
                                                         {"colStats", bits(a[3])},
                                                         {"out", bits(a[6])},
                                                         {"bias", bits(a[4])},
                                                         {"rows", rows},
                                                         {"cols", columns},
                                                         {"stream", bits(stream)}});
}

TEST_F(CudaInt8, TheHandleOfADeviceIsMadeOnce)
{
    Addresses a;
    for (const Bytes& bytes : product_memory())
        a.push_back(upload(bytes));
    const auto multiply = [&] {
        return nbit_int8_multiply(context(), static_cast<int8_t*>(a[0]), static_cast<int8_t*>(a[1]), rows, columns,
                                  terms, static_cast<int32_t*>(a[5]));
    };
    ASSERT_EQ(multiply(), NBIT_STATUS_OK);
    forget_calls();
    ASSERT_EQ(multiply(), NBIT_STATUS_OK);
    EXPECT_EQ(kernel_calls().size(), 1u);
}

TEST_F(CudaInt8, LayersAreThoseOfTheCpu)
{
    const std::vector<Bytes> memory = {bytes_of(random_codes(columns * terms, 1)), bytes_of(absmax_of(columns, 2)),
                                       rounded(float16, special_rows(rows, terms)),
                                       rounded(float16, random_numbers(Numbers::ordinary, columns, 4)),
                                       nothing(rows * columns, 2)};
    for (const bool has_bias : {false, true}) {
        std::vector<Bytes> all = memory;
        Addresses on_cpu, on_cuda;
        for (Bytes& bytes : all) {
            on_cuda.push_back(upload(bytes));
            on_cpu.push_back(bytes.data());
        }
        const auto forward = [&](nbit_context* on, const Addresses& a) {
            return nbit_linear8_forward(on, static_cast<int8_t*>(a[0]), static_cast<float*>(a[1]), columns, terms,
                                        float16, a[2], rows, 0, float16, has_bias ? a[3] : nullptr, a[4]);
        };
        const Context cpu = cpu_context(1);
        ASSERT_EQ(forward(cpu.get(), on_cpu), NBIT_STATUS_OK) << last_error();
        ASSERT_EQ(forward(context(), on_cuda), NBIT_STATUS_OK) << last_error();
        EXPECT_TRUE(same_numbers(float16, all[4], download(on_cuda[4], all[4].size())));
    }
}

struct Refused {
    const char* name;
    std::function<int32_t(nbit_context*, const std::vector<void*>&)> operation;
    const char* message;
};

class CudaInt8Left : public CudaTest, public testing::WithParamInterface<Refused>
{
};

TEST_P(CudaInt8Left, ToOthersSaysWhy)
{
    expect_refused(std::vector<Bytes>(6, Bytes(4096, 0)), GetParam().operation, GetParam().message);
}

int8_t* int8(void* memory) { return static_cast<int8_t*>(memory); }
float* number(void* memory) { return static_cast<float*>(memory); }

INSTANTIATE_TEST_SUITE_P(
    All, CudaInt8Left,
    testing::Values(
        Refused{"Threshold",
                [](nbit_context* on, const std::vector<void*>& a) {
                    return nbit_rows8_quantize(on, float16, a[0], 4, 8, 6, int8(a[1]), number(a[2]),
                                               static_cast<uint8_t*>(a[3]));
                },
                "threshold is 6"},
        Refused{"SourceType",
                [](nbit_context* on, const std::vector<void*>& a) {
                    return nbit_rows8_quantize(on, float32, a[0], 4, 8, 0, int8(a[1]), number(a[2]), nullptr);
                },
                "source_type is 6 (float32)"},
        Refused{"TermsNotInFours",
                [](nbit_context* on, const std::vector<void*>& a) {
                    return nbit_int8_multiply(on, int8(a[0]), int8(a[1]), 4, 8, 6, static_cast<int32_t*>(a[2]));
                },
                "k is 6"},
        Refused{"ColumnsNotInFours",
                [](nbit_context* on, const std::vector<void*>& a) {
                    return nbit_int8_multiply(on, int8(a[0]), int8(a[1]), 4, 7, 8, static_cast<int32_t*>(a[2]));
                },
                "n is 7"},
        Refused{"TargetType",
                [](nbit_context* on, const std::vector<void*>& a) {
                    return nbit_int8_product_dequantize(on, static_cast<int32_t*>(a[0]), 4, 8, number(a[1]),
                                                        number(a[2]), float16, nullptr, float32, a[3]);
                },
                "target_type is 6 (float32)"},
        Refused{"BiasType",
                [](nbit_context* on, const std::vector<void*>& a) {
                    return nbit_int8_multiply_dequantize(on, int8(a[0]), number(a[1]), int8(a[2]), number(a[3]), 4, 8,
                                                         8, float32, a[4], float16, a[5]);
                },
                "bias_type is 6 (float32)"},
        Refused{"LayerWithThreshold",
                [](nbit_context* on, const std::vector<void*>& a) {
                    return nbit_linear8_forward(on, int8(a[0]), number(a[1]), 8, 8, float16, a[2], 4, 6, float16,
                                                nullptr, a[3]);
                },
                "threshold is 6"},
        Refused{"Gradient",
                [](nbit_context* on, const std::vector<void*>& a) {
                    return nbit_linear8_backward(on, int8(a[0]), number(a[1]), 8, 8, float16, a[2], 4, a[3]);
                },
                "nbit_linear8_backward"},
        Refused{"Columns",
                [](nbit_context* on, const std::vector<void*>& a) {
                    return nbit_columns8_quantize(on, float16, a[0], 8, 8, nullptr, int8(a[1]), number(a[2]));
                },
                "nbit_columns8_quantize"},
        Refused{"Rows",
                [](nbit_context* on, const std::vector<void*>& a) {
                    return nbit_rows8_dequantize(on, int8(a[0]), number(a[1]), 8, 8, float16, a[2]);
                },
                "nbit_rows8_dequantize"}),
    [](const auto& test) { return std::string(test.param.name); });

} // namespace
} // namespace nbit::test
