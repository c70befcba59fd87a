// Products of scaled matrices through Transformer Engine, which has its operands scaled along what is summed over.
#include "cpu/float8/scaled_matrix.h"
#include "cuda_fixture.h"

#include <algorithm>
#include <cmath>

namespace nbit::test
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32, float16 = NBIT_DATA_TYPE_FLOAT16,
                  bfloat16 = NBIT_DATA_TYPE_BFLOAT16;
constexpr int32_t e4m3 = NBIT_DATA_TYPE_FLOAT8_E4M3FN, e5m2 = NBIT_DATA_TYPE_FLOAT8_E5M2,
                  e2m1 = NBIT_DATA_TYPE_FLOAT4_E2M1FN_X2;
constexpr int32_t no_bias = -1;

struct Operand {
    int32_t format, scaling, transposed;
};

struct Product {
    const char* name;
    Operand a, b;
    int32_t target_type = float32, bias_type = no_bias, accumulate = 0;
    int64_t m = 96, n = 64, k = 160;
    int32_t major = 9, minor = 0; // compute capability
};

std::ostream& operator<<(std::ostream& out, const Product& product) { return out << product.name; }

class CudaScaledProducts : public CudaTest
{
protected:
    // a, its scales and amax, the same of b, the bias, the target
    static std::vector<Bytes> memory_of(const Product& p)
    {
        std::vector<Bytes> memory;
        unsigned seed = 1;
        for (const auto& [operand, side] : {std::pair{p.a, p.m}, {p.b, p.n}}) {
            const bool turned = operand.transposed == 1;
            const ScaledMatrix matrix{operand.format,      operand.scaling, nullptr, turned ? p.k : side,
                                      turned ? side : p.k, nullptr,         nullptr};
            Bytes codes(static_cast<size_t>(matrix.rows * matrix.row_bytes()));
            const std::vector<int8_t> random = random_codes(static_cast<int64_t>(codes.size()), seed++);
            for (size_t i = 0; i < codes.size(); ++i) // less than 2 in float8
                codes[i] = static_cast<unsigned char>(random[i]) & (matrix.holds_pairs() ? 0xff : 0xbf);
            memory.push_back(codes);
            memory.push_back(scales_of(matrix, seed++));
            memory.push_back(bytes_of(std::vector<float>{static_cast<float>(100 * seed)}));
        }
        memory.push_back(p.bias_type == no_bias ? Bytes()
                                                : rounded(p.bias_type, random_numbers(Numbers::ordinary, p.n, seed++)));
        memory.push_back(rounded(p.target_type, random_numbers(Numbers::ordinary, p.m * p.n, seed)));
        return memory;
    }
    static int32_t multiply(nbit_context* on, const Addresses& a, const Product& p)
    {
        const auto codes = [&](size_t i) { return static_cast<uint8_t*>(a[i]); };
        return nbit_scaled_multiply(on, p.m, p.n, p.k, p.a.format, p.a.scaling, codes(0), a[1],
                                    static_cast<float*>(a[2]), p.a.transposed, p.b.format, p.b.scaling, codes(3), a[4],
                                    static_cast<float*>(a[5]), p.b.transposed, p.bias_type == no_bias ? 0 : p.bias_type,
                                    a[6], p.accumulate, p.target_type, a[7]);
    }
    void expect_product(const Product& p)
    {
        device().major = p.major;
        device().minor = p.minor;
        expect_same_as_on_cpu(memory_of(p), [&](nbit_context* on, const Addresses& a) { return multiply(on, a, p); });
    }
    void expect_product_refused(const Product& p, const char* message)
    {
        device().major = p.major;
        device().minor = p.minor;
        expect_refused(
            memory_of(p), [&](nbit_context* on, const Addresses& a) { return multiply(on, a, p); }, message);
    }

private:
    static Bytes scales_of(const ScaledMatrix& matrix, unsigned seed)
    {
        const int64_t count = matrix.scale_count();
        if (scale_type_of(matrix.scaling) == NBIT_DATA_TYPE_FLOAT32) {
            std::vector<float> scales = random_numbers(Numbers::ordinary, count, seed);
            for (float& x : scales)
                x = std::fabs(x) + 0.25f;
            return bytes_of(scales);
        }
        Bytes scales(static_cast<size_t>(count)); // around 1 in both formats
        const bool is_e8m0 = scale_type_of(matrix.scaling) == NBIT_DATA_TYPE_FLOAT8_E8M0FNU;
        const std::vector<int8_t> random = random_codes(count, seed);
        for (size_t i = 0; i < scales.size(); ++i)
            scales[i] = static_cast<unsigned char>((is_e8m0 ? 124 : 48) + (random[i] & 7));
        return scales;
    }
};

class CudaScaledProductCases : public CudaScaledProducts, public testing::WithParamInterface<Product>
{
};

TEST_P(CudaScaledProductCases, AreThoseOfTheCpu)
{
    expect_product(GetParam());
    const fake::Call& call = call_of("nvte_cublas_gemm_v2");
    EXPECT_EQ(call.pointer("stream"), stream);
    const size_t workspace = GetParam().major < 9 ? 4 << 20 : (32 << 20) + 1024;
    EXPECT_TRUE(std::any_of(calls().begin(), calls().end(), [&](const Recorded& recorded) {
        return recorded.call.function == "cudaMallocAsync" && recorded.call.size("bytes") == workspace;
    }));
}

constexpr Operand one_scale{e4m3, NBIT_SCALING_TENSOR, 0}, turned{e4m3, NBIT_SCALING_TENSOR, 1},
    gradient{e5m2, NBIT_SCALING_TENSOR, 0}, turned_gradient{e5m2, NBIT_SCALING_TENSOR, 1};
constexpr Operand mx_rows{e4m3, NBIT_SCALING_MXFP8_1X32, 0}, mx_columns{e4m3, NBIT_SCALING_MXFP8_32X1, 1},
    mx_gradient{e5m2, NBIT_SCALING_MXFP8_32X1, 1}, mx_square{e4m3, NBIT_SCALING_MXFP8_32X32, 0},
    mx_turned_square{e4m3, NBIT_SCALING_MXFP8_32X32, 1};
constexpr Operand rows128{e4m3, NBIT_SCALING_FLOAT8_1X128, 0}, square128{e4m3, NBIT_SCALING_FLOAT8_128X128, 0};
constexpr Operand fp4{e2m1, NBIT_SCALING_NVFP4_1X16, 0};

INSTANTIATE_TEST_SUITE_P(
    All, CudaScaledProductCases,
    testing::Values(Product{"Forward", one_scale, one_scale, bfloat16, bfloat16},
                    Product{"ForwardInFloat32", one_scale, one_scale, float32, bfloat16},
                    Product{"ForwardInFloat16", one_scale, one_scale, float16, float16},
                    Product{"ForwardOnAda", one_scale, one_scale, bfloat16, no_bias, 0, 8, 24, 16, 8, 9},
                    Product{"GradientOfInput", gradient, turned, bfloat16},
                    Product{"GradientOfWeight", turned_gradient, turned, bfloat16},
                    Product{"GradientOfWeightAdded", turned_gradient, turned, float32, no_bias, 1},
                    Product{"Mxfp8Forward", mx_rows, mx_rows, bfloat16, bfloat16, 0, 96, 64, 160, 10},
                    Product{"Mxfp8OfOneBlock", mx_rows, mx_rows, float32, no_bias, 0, 32, 32, 32, 10},
                    Product{"Mxfp8GradientOfInput", mx_rows, mx_columns, bfloat16, no_bias, 0, 96, 160, 288, 10},
                    Product{"Mxfp8GradientOfWeight", mx_gradient, mx_columns, float32, no_bias, 1, 96, 160, 64, 10},
                    Product{"Mxfp8OfASquareWeight", mx_rows, mx_square, bfloat16, no_bias, 0, 96, 160, 64, 10},
                    Product{"Mxfp8OfATurnedSquareWeight", mx_rows, mx_turned_square, bfloat16, no_bias, 0, 64, 160, 96,
                            10},
                    Product{"BlocksByBlocks", rows128, rows128, float32, no_bias, 0, 96, 64, 272},
                    Product{"BlocksBySquares", rows128, square128, bfloat16, bfloat16, 0, 96, 264, 272},
                    Product{"SquaresByBlocks", square128, rows128, bfloat16, no_bias, 1, 264, 96, 640},
                    Product{"Nvfp4", fp4, fp4, bfloat16, bfloat16, 0, 96, 64, 160, 10},
                    Product{"Nvfp4Added", fp4, fp4, float32, no_bias, 1, 144, 272, 80, 10}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(CudaScaledProducts, OfOneScaleReadOneCopyOfCodesOnEveryDevice)
{
    expect_product({"", turned_gradient, turned});
    int transposes = 0;
    for (const fake::Call& call : kernel_calls())
        transposes += call.function == "nvte_transpose";
    EXPECT_EQ(transposes, 2);
}

TEST_F(CudaScaledProducts, OfNothingNeedNoLibrary)
{
    expect_product({"", one_scale, one_scale, float32, no_bias, 0, 0, 16, 16});
    EXPECT_TRUE(kernel_calls().empty());
}

TEST_F(CudaScaledProducts, WithoutAKernelAreLeftToOthers)
{
    constexpr int32_t none = no_bias;
    const auto sized = [](const Operand& a, int64_t m, int64_t n, int64_t k, int32_t major) {
        return Product{"", a, a, float32, none, 0, m, n, k, major};
    };
    expect_product_refused(sized(one_scale, 4, 16, 16, 9), "m is 4; the kernel of Transformer Engine on CUDA needs a "
                                                           "multiple of 8");
    expect_product_refused(sized(one_scale, 16, 12, 16, 9), "n is 12; ");
    expect_product_refused(sized(one_scale, 16, 16, 24, 9), "k is 24; ");
    expect_product_refused(sized(one_scale, 16, 16, 0, 9), "k is 0; ");
    expect_product_refused(sized(mx_rows, 16, 32, 32, 10), "m is 16; ");
    expect_product_refused(sized(fp4, 16, 8, 16, 10), "n is 8; ");
    expect_product_refused(sized(mx_rows, 32, 32, 32, 9), "MXFP8 on CUDA needs compute capability 10.0 or above");
    expect_product_refused(sized(rows128, 32, 32, 32, 10), "products in float8 blocks need compute capability 9.x");
    expect_product_refused({"", gradient, gradient}, "a_format and b_format are 23 (float8_e5m2)");
    expect_product_refused({"", one_scale, mx_rows}, "a_scaling is 0 and b_scaling is 1; ");
    expect_product_refused({"", square128, square128}, "a_scaling is 5 and b_scaling is 5; ");
    expect_product_refused({"", mx_rows, {e4m3, NBIT_SCALING_MXFP8_1X32, 1}},
                           "b_transposed is 1; with scaling 1 it must be 0");
    expect_product_refused({"", {e4m3, NBIT_SCALING_MXFP8_32X1, 0}, mx_rows},
                           "a_transposed is 0; with scaling 2 it must be 1");
    expect_product_refused({"", one_scale, one_scale, float32, float32}, "bias_type is 6 (float32); ");
    expect_product_refused({"", one_scale, one_scale, float16, bfloat16}, "bias_type is 15 (bfloat16); ");
    expect_product_refused({"", one_scale, one_scale, float32, bfloat16, 1}, "accumulate is 1 and there is a bias; ");
    expect_product_refused({"", fp4, fp4, float16, none, 0, 96, 64, 160, 10}, "target_type is 5 (float16); ");
}

TEST_F(CudaScaledProducts, AtOddAddressesAreLeftToOthers)
{
    const Product p{"", one_scale, one_scale, float32, no_bias, 0, 16, 16, 16};
    std::vector<Bytes> memory = memory_of(p);
    memory[3].push_back(0);
    const auto multiply_odd = [&](nbit_context* on, Addresses a) {
        a[3] = static_cast<uint8_t*>(a[3]) + 1;
        return multiply(on, a, p);
    };
    expect_refused(memory, multiply_odd, "b begins at an address that is no multiple of 16 bytes");
}

TEST_F(CudaScaledProducts, OfAVersionWithoutSwizzledScalesAreLeftToOthers)
{
    engine().known_parameters = 7;
    device().major = 10;
    Addresses a;
    const Product p{"", mx_rows, mx_rows, float32, no_bias, 0, 32, 32, 32, 10};
    for (const Bytes& bytes : memory_of(p))
        a.push_back(bytes.empty() ? nullptr : upload(bytes));
    EXPECT_EQ(multiply(context(), a, p), NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND);
    EXPECT_NE(last_error().find("this Transformer Engine cannot do it: "), std::string::npos) << last_error();
}

} // namespace
} // namespace nbit::test
