#include "cpu/codebook8.h"
#include "cuda/backend.h"
#include "cuda_fixture.h"

namespace nbit::test
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32, float16 = NBIT_DATA_TYPE_FLOAT16;
constexpr int64_t out_features = 48, in_features = 192, blocksize = 64;
constexpr int64_t weights = out_features * in_features, blocks = weights / blocksize;

std::string suffix_of(int32_t type)
{
    return type == float16 ? "fp16" : type == NBIT_DATA_TYPE_BFLOAT16 ? "bf16" : "fp32";
}

// The layer's memory in the order of the arguments, with `rows` rows.
enum { packed, absmax, codes, book, offset, x, bias, y };
std::vector<Bytes> layer(int32_t type, int64_t rows)
{
    return {bytes_of(random_codes(weights / 2, 1)),
            bytes_of(random_numbers(Numbers::ordinary, blocks, 2)),
            bytes_of(random_codes(blocks, 3)),
            bytes_of(std::vector<float>(dynamic_map(true), dynamic_map(true) + 256)),
            bytes_of(std::vector<float>{0.5f}),
            rounded(type, random_numbers(Numbers::ordinary, rows * in_features, 4)),
            rounded(type, random_numbers(Numbers::ordinary, out_features, 5)),
            Bytes(static_cast<size_t>(rows * out_features * data_type_size(type)), 0xee)};
}

struct Layer {
    int32_t type = float32, quant_type = NBIT_QUANT_TYPE_NF4;
    int64_t rows = 3, in = in_features, x_shift = 0;
    bool is_nested = false, has_bias = false;
    bool is_far = false;       // y is at an address beyond all memory, which may not be written
    int32_t compute_type = -1; // as type
    int32_t bias_type = -1;

    int32_t run(nbit_context* on, const std::vector<void*>& a) const
    {
        const auto number = [&](int i) { return static_cast<float*>(a[static_cast<size_t>(i)]); };
        return nbit_linear4_forward(
            on, quant_type, static_cast<uint8_t*>(a[packed]), number(absmax),
            is_nested ? static_cast<uint8_t*>(a[codes]) : nullptr, is_nested ? number(book) : nullptr,
            is_nested ? number(offset) : nullptr, blocksize, out_features, in, type, static_cast<char*>(a[x]) + x_shift,
            rows, bias_type < 0 ? type : bias_type, has_bias ? a[bias] : nullptr,
            compute_type < 0 ? type : compute_type, is_far ? reinterpret_cast<void*>(int64_t{1} << 46) : a[y]);
    }
};

class CudaLinear4 : public CudaTest, public testing::WithParamInterface<int32_t>
{
};

TEST_P(CudaLinear4, GivesTheFusedKernelEverythingThatItNeeds)
{
    for (const int32_t quant_type : {NBIT_QUANT_TYPE_FP4, NBIT_QUANT_TYPE_NF4})
        for (const int64_t rows : {1, 3, 40})
            for (const bool is_nested : {false, true})
                for (const bool has_bias : {false, true}) {
                    const Layer all{.type = GetParam(),
                                    .quant_type = quant_type,
                                    .rows = rows,
                                    .is_nested = is_nested,
                                    .has_bias = has_bias};
                    expect_same_as_on_cpu(layer(GetParam(), rows),
                                          [&](nbit_context* on, const Addresses& a) { return all.run(on, a); });
                }
}

TEST_P(CudaLinear4, PassesItsArguments)
{
    Addresses a;
    for (const Bytes& bytes : layer(GetParam(), 5))
        a.push_back(upload(bytes));
    const Layer all{
        .type = GetParam(), .quant_type = NBIT_QUANT_TYPE_FP4, .rows = 5, .is_nested = true, .has_bias = true};
    ASSERT_EQ(all.run(context(), a), NBIT_STATUS_OK) << last_error();
    expect_arguments(call_of("cgemm_4bit_" + suffix_of(GetParam())), {{"A", bits(a[x])},
                                                                      {"B", bits(a[packed])},
                                                                      {"absmax", bits(a[absmax])},
                                                                      {"absmax_8bit", bits(a[codes])},
                                                                      {"absmax_code", bits(a[book])},
                                                                      {"absmax_offset", bits(a[offset])},
                                                                      {"out", bits(a[y])},
                                                                      {"bias", bits(a[bias])},
                                                                      {"M", 5},
                                                                      {"N", out_features},
                                                                      {"K", in_features},
                                                                      {"blocksize", blocksize},
                                                                      {"quant_type", NBIT_QUANT_TYPE_FP4},
                                                                      {"stream", bits(stream)}});
    EXPECT_EQ(kernel_calls().size(), 1u);
}

// Libraries before 0.50 have no fused kernel.
TEST_P(CudaLinear4, OfOneRowRunsOnTheNaiveKernelOfOlderLibraries)
{
    cuda::Libraries older;
    older.set_path(NBIT_CUDA_LIBRARY_RUNTIME, NBIT_FAKE_CUDART);
    older.set_path(NBIT_CUDA_LIBRARY_BITSANDBYTES, NBIT_FAKE_BITSANDBYTES_049);
    const auto backend = std::make_unique<const cuda::CudaBackend>(older, device_index);
    for (const bool is_nested : {false, true}) {
        std::vector<Bytes> memory = layer(GetParam(), 1);
        Addresses here, a;
        for (Bytes& bytes : memory) {
            a.push_back(upload(bytes));
            here.push_back(bytes.data());
        }
        const auto scale = [&](int i) { return static_cast<const float*>(a[static_cast<size_t>(i)]); };
        operation::BlockAbsmax scales{scale(absmax), nullptr, nullptr, nullptr};
        if (is_nested) scales = {scale(absmax), static_cast<uint8_t*>(a[codes]), scale(book), scale(offset)};
        forget_calls();
        backend->run(stream, operation::Linear4Forward{{NBIT_QUANT_TYPE_NF4, static_cast<uint8_t*>(a[packed]), scales,
                                                        blocksize, out_features, in_features},
                                                       GetParam(),
                                                       a[x],
                                                       1,
                                                       GetParam(),
                                                       nullptr,
                                                       GetParam(),
                                                       a[y]});
        const fake::Call& call = call_of("cgemm_4bit_inference_naive_" + suffix_of(GetParam()));
        expect_arguments(call, {{"m", out_features},
                                {"n", 1},
                                {"k", in_features},
                                {"A", bits(a[x])},
                                {"B", bits(a[packed])},
                                {"absmax", is_nested ? call.bits_of("absmax") : bits(a[absmax])},
                                {"datatype", call.bits_of("datatype")},
                                {"out", bits(a[y])},
                                {"lda", out_features},
                                {"ldb", in_features / 2},
                                {"ldc", out_features},
                                {"blocksize", blocksize},
                                {"stream", bits(stream)}});
        const Context cpu = cpu_context(1);
        const Layer all{.type = GetParam(), .rows = 1, .is_nested = is_nested};
        ASSERT_EQ(all.run(cpu.get(), here), NBIT_STATUS_OK);
        EXPECT_TRUE(same_bytes(memory[y], download(a[y], memory[y].size())));
    }
}

INSTANTIATE_TEST_SUITE_P(Types, CudaLinear4, testing::Values(float32, float16, NBIT_DATA_TYPE_BFLOAT16),
                         [](const auto& test) { return suffix_of(test.param); });

using CudaLinear4Refusals = CudaTest;

struct Refused {
    const char* name;
    Layer layer;
    const char* message;
};

class CudaLinear4Left : public CudaTest, public testing::WithParamInterface<Refused>
{
};

TEST_P(CudaLinear4Left, ToOthersSaysWhy)
{
    const Layer& all = GetParam().layer;
    expect_refused(
        layer(float32, 8), [&](nbit_context* on, const Addresses& a) { return all.run(on, a); }, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    All, CudaLinear4Left,
    testing::Values(Refused{"AnotherComputeType", {.compute_type = float16}, "x_type is 6 (float32)"},
                    Refused{"AnotherBiasType", {.has_bias = true, .bias_type = float16}, "bias_type is 5 (float16)"},
                    Refused{"RowsThatBeginInABlock", {.in = 96}, "in_features is 96"},
                    Refused{"TooManyRows", {.rows = 524281, .in = 64, .is_far = true}, "rows is 524281"},
                    Refused{"NotAligned", {.type = float16, .rows = 3, .x_shift = 2}, "x begins at"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(CudaLinear4Refusals, OfSeveralRowsWithoutAFusedKernelNameTheVersionThatHasIt)
{
    cuda::Libraries older;
    older.set_path(NBIT_CUDA_LIBRARY_RUNTIME, NBIT_FAKE_CUDART);
    older.set_path(NBIT_CUDA_LIBRARY_BITSANDBYTES, NBIT_FAKE_BITSANDBYTES_049);
    const auto backend = std::make_unique<const cuda::CudaBackend>(older, device_index);
    try {
        backend->run(stream,
                     operation::Linear4Forward{{NBIT_QUANT_TYPE_NF4, nullptr, {}, blocksize, out_features, in_features},
                                               float32,
                                               nullptr,
                                               2,
                                               float32,
                                               nullptr,
                                               float32,
                                               nullptr});
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.status(), NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND);
        EXPECT_NE(std::string(error.what()).find("since 0.50"), std::string::npos) << error.what();
    }
}

TEST_F(CudaLinear4Refusals, OfTheGradientNameTheOperation)
{
    EXPECT_EQ(nbit_linear4_backward(context(), NBIT_QUANT_TYPE_NF4, static_cast<uint8_t*>(upload(Bytes(2048))),
                                    upload(std::vector<float>(64)), nullptr, nullptr, nullptr, 64, 64, 64, float32,
                                    upload(std::vector<float>(64)), 1, float32, upload(std::vector<float>(64))),
              NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND);
    EXPECT_NE(last_error().find("nbit_linear4_backward has no kernel on CUDA"), std::string::npos) << last_error();
}

} // namespace
} // namespace nbit::test
