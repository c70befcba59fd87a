// Scales of delayed and current scaling and float8 with one scale, through Transformer Engine.
#include "cpu/float8/scaled_matrix.h"
#include "cuda/backend.h"
#include "cuda_fixture.h"

#include <cmath>

namespace nbit::test
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32, float16 = NBIT_DATA_TYPE_FLOAT16,
                  bfloat16 = NBIT_DATA_TYPE_BFLOAT16;
constexpr int32_t e4m3 = NBIT_DATA_TYPE_FLOAT8_E4M3FN, e5m2 = NBIT_DATA_TYPE_FLOAT8_E5M2;
constexpr int32_t types[] = {float32, float16, bfloat16};

Bytes numbers(int32_t type, int64_t count, unsigned seed, Numbers kind = Numbers::special)
{
    return rounded(type, random_numbers(kind, count, seed));
}

using CudaFloat8 = CudaTest;

TEST_F(CudaFloat8, CastsToItAndFromItAreThoseOfTheCpu)
{
    constexpr int64_t count = 300;
    for (const bool has_scale : {false, true})
        for (const int32_t type : types)
            for (const int32_t format : {e4m3, e5m2}) {
                const Bytes scale = has_scale ? bytes_of(std::vector<float>{0.7f}) : Bytes();
                const auto cast = [&](int32_t from, int32_t to) {
                    return [=](nbit_context* on, const Addresses& a) {
                        return nbit_values_cast(on, from, a[0], count, to, a[1], static_cast<float*>(a[2]),
                                                static_cast<float*>(a[3]));
                    };
                };
                expect_same_as_on_cpu(
                    {numbers(type, count, 6), Bytes(count), scale, bytes_of(std::vector<float>{0.5f})},
                    cast(type, format));
                expect_same_as_on_cpu({bytes_of(random_codes(count, 7)), Bytes(count * 4), scale, {}},
                                      cast(format, type));
            }
}

TEST_F(CudaFloat8, OtherCastsAreLeftToOthers)
{
    const std::vector<Bytes> memory = {Bytes(64), Bytes(64), Bytes(4)};
    const auto cast = [](int32_t from, int32_t to, bool has_amax) {
        return [=](nbit_context* on, const Addresses& a) {
            return nbit_values_cast(on, from, a[0], 16, to, a[1], nullptr,
                                    has_amax ? static_cast<float*>(a[2]) : nullptr);
        };
    };
    expect_refused(memory, cast(float32, bfloat16, false),
                   "source_type is 6 (float32), target_type is 15 (bfloat16); ");
    expect_refused(memory, cast(e4m3, float32, true), "target_type is 6 (float32) and amax is given; ");
}

TEST_F(CudaFloat8, AmaxIsThatOfTheCpu)
{
    for (const int32_t type : types)
        expect_same_as_on_cpu({numbers(type, 1000, 1), Bytes(4)}, [&](nbit_context* on, const Addresses& a) {
            return nbit_amax_compute(on, type, a[0], 1000, static_cast<float*>(a[1]));
        });
}

TEST_F(CudaFloat8, AmaxOfNothingIsZeroWithoutTheLibrary)
{
    expect_same_as_on_cpu({{}, Bytes(4, 0xaa)}, [](nbit_context* on, const Addresses& a) {
        return nbit_amax_compute(on, float32, a[0], 0, static_cast<float*>(a[1]));
    });
    EXPECT_TRUE(kernel_calls().empty());
}

TEST_F(CudaFloat8, ScalesAndTheirInversesAreThoseOfTheCpu)
{
    std::vector<float> amax = {0, 1, 3, 1e-3f, 5e-4f, 1e-41f, 1e38f};
    add_special_values(amax);
    for (float& x : amax)
        x = std::fabs(x);
    const auto count = static_cast<int64_t>(amax.size());
    for (const int32_t format : {e4m3, e5m2})
        for (const int32_t power_of_two : {0, 1})
            for (const float epsilon : {0.0f, 1e-3f})
                expect_same_as_on_cpu({bytes_of(amax), Bytes(amax.size() * 4), Bytes(amax.size() * 4)},
                                      [&](nbit_context* on, const Addresses& a) {
                                          return nbit_scale_compute(
                                              on, format, power_of_two, epsilon, static_cast<float*>(a[0]), count,
                                              static_cast<float*>(a[1]), static_cast<float*>(a[2]));
                                      });
}

struct History {
    int32_t rule, algorithm;
    int64_t length;
    float margin;
};

class CudaHistories : public CudaTest, public testing::WithParamInterface<History>
{
};

TEST_P(CudaHistories, MoveOnAsOnTheCpu)
{
    const auto [rule, algorithm, length, margin] = GetParam();
    constexpr int64_t columns = 7;
    std::vector<float> amax = random_numbers(Numbers::special, length * columns, 3);
    for (float& x : amax)
        x = std::fabs(x);
    amax[2] = 0; // of the step that ends
    expect_same_as_on_cpu(
        {bytes_of(amax), bytes_of(std::vector<float>{1, 2, 3, 4, 5, 6, 7})}, [&](nbit_context* on, const Addresses& a) {
            return nbit_amax_history_update(on, rule, algorithm, e5m2, margin, static_cast<float*>(a[0]), length,
                                            columns, static_cast<float*>(a[1]));
        });
    EXPECT_EQ(call_of(rule == NBIT_HISTORY_RULE_FUSED
                          ? "nvte_delayed_scaling_recipe_amax_and_scale_update_after_reduction"
                          : "nvte_delayed_scaling_recipe_amax_and_scale_update")
                  .pointer("stream"),
              stream);
}

std::vector<History> histories()
{
    std::vector<History> all;
    for (const int32_t rule : {NBIT_HISTORY_RULE_FUSED, NBIT_HISTORY_RULE_SINGLE_TENSOR})
        for (const int32_t algorithm : {NBIT_AMAX_ALGORITHM_MAX, NBIT_AMAX_ALGORITHM_MOST_RECENT})
            for (const int64_t length : {1, 16})
                for (const float margin : {0.0f, 2.0f, -1.0f})
                    all.push_back({rule, algorithm, length, margin});
    return all;
}
INSTANTIATE_TEST_SUITE_P(All, CudaHistories, testing::ValuesIn(histories()));

TEST_F(CudaFloat8, HistoriesThatTheLibraryRoundsOtherwiseAreLeftToOthers)
{
    const std::vector<Bytes> memory = {Bytes(64), Bytes(16)};
    const auto update = [](int32_t rule, float margin) {
        return [=](nbit_context* on, const Addresses& a) {
            return nbit_amax_history_update(on, rule, 0, e4m3, margin, static_cast<float*>(a[0]), 4, 4,
                                            static_cast<float*>(a[1]));
        };
    };
    expect_refused(memory, update(NBIT_HISTORY_RULE_UNFUSED, 0), "rule is 2 (unfused)");
    expect_refused(memory, update(NBIT_HISTORY_RULE_FUSED, 0.5f), "margin is 0.5; ");
    expect_refused(memory, update(NBIT_HISTORY_RULE_SINGLE_TENSOR, 101), "margin is 101; ");
}

struct Outputs {
    bool codes, transposed, inverse, amax, scale;
};

class CudaFloat8Outputs : public CudaTest, public testing::WithParamInterface<Outputs>
{
};

TEST_P(CudaFloat8Outputs, AreThoseOfTheCpu)
{
    const Outputs has = GetParam();
    constexpr int64_t rows = 6, columns = 10, count = rows * columns;
    const auto if_wanted = [](bool wanted, Bytes bytes) { return wanted ? bytes : Bytes(); };
    for (const int32_t type : types)
        for (const int32_t format : {e4m3, e5m2})
            expect_same_as_on_cpu(
                {numbers(type, count, 5), if_wanted(has.scale, bytes_of(std::vector<float>{3.7f})),
                 if_wanted(has.codes, Bytes(count)), if_wanted(has.transposed, Bytes(count)),
                 if_wanted(has.inverse, Bytes(4)), if_wanted(has.amax, bytes_of(std::vector<float>{0.25f}))},
                [&](nbit_context* on, const Addresses& a) {
                    return nbit_float8_quantize(on, type, a[0], rows, columns, format, static_cast<float*>(a[1]),
                                                static_cast<uint8_t*>(a[2]), static_cast<uint8_t*>(a[3]),
                                                static_cast<float*>(a[4]), static_cast<float*>(a[5]));
                });
    for (const fake::Call& call : kernel_calls())
        if (call.function == "nvte_quantize_v2") {
            EXPECT_EQ(call.pointer("stream"), stream);
        }
}

INSTANTIATE_TEST_SUITE_P(All, CudaFloat8Outputs,
                         testing::Values(Outputs{true, false, true, true, true}, Outputs{true, true, true, true, true},
                                         Outputs{false, true, true, true, true},
                                         Outputs{true, false, false, false, false},
                                         Outputs{false, true, false, false, true},
                                         Outputs{true, true, true, false, false}));

TEST_F(CudaFloat8, NothingHasAnInverseScaleYet)
{
    expect_same_as_on_cpu({bytes_of(std::vector<float>{3}), Bytes(4)}, [](nbit_context* on, const Addresses& a) {
        return nbit_float8_quantize(on, float32, nullptr, 0, 5, e4m3, static_cast<float*>(a[0]), nullptr, nullptr,
                                    static_cast<float*>(a[1]), nullptr);
    });
}

TEST_F(CudaFloat8, DequantizesAsTheCpu)
{
    constexpr int64_t rows = 16, columns = 16;
    Bytes codes(rows * columns);
    for (size_t i = 0; i < codes.size(); ++i)
        codes[i] = static_cast<unsigned char>(i);
    for (const int32_t type : types)
        for (const int32_t format : {e4m3, e5m2})
            expect_same_as_on_cpu({codes, bytes_of(std::vector<float>{0.3f}), Bytes(rows * columns * 4)},
                                  [&](nbit_context* on, const Addresses& a) {
                                      return nbit_scaled_dequantize(on, format, NBIT_SCALING_TENSOR,
                                                                    static_cast<uint8_t*>(a[0]), rows, columns, a[1],
                                                                    nullptr, type, a[2]);
                                  });
}

// Transposed copies are made by kernels that read 16 bytes at once.
TEST_F(CudaFloat8, TransposedCopiesAtOddAddressesAreLeftToOthers)
{
    const auto quantize = [](nbit_context* on, const Addresses& a) {
        return nbit_float8_quantize(on, float32, static_cast<float*>(a[0]) + 1, 4, 4, e4m3, nullptr, nullptr,
                                    static_cast<uint8_t*>(a[1]), nullptr, nullptr);
    };
    expect_refused({Bytes(68), Bytes(16)}, quantize, "source begins at an address that is no multiple of 16 bytes");
}

TEST_F(CudaFloat8, MemoryOfTheHostIsRefused)
{
    float number = 1, amax = 0;
    EXPECT_EQ(nbit_amax_compute(context(), float32, &number, 1, &amax), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_NE(last_error().find("source is in memory of the host"), std::string::npos) << last_error();
}

TEST_F(CudaFloat8, AnExceptionOfTheLibraryIsAStatusAndNothingLeaks)
{
    for (const char* function : {"nvte_create_tensor", "nvte_set_tensor_param_v2", "nvte_quantize_v2"}) {
        throwing_function = function;
        throw_it = [] { throw std::runtime_error("cast.cu:12 in function f: Assertion failed"); };
        auto* source = upload(std::vector<float>(16));
        auto* codes = static_cast<uint8_t*>(upload(Bytes(16)));
        EXPECT_EQ(
            nbit_float8_quantize(context(), float32, source, 4, 4, e4m3, nullptr, codes, nullptr, nullptr, nullptr),
            NBIT_STATUS_INTERNAL_ERROR);
        EXPECT_EQ(last_error(), std::string(function) + " of Transformer Engine failed: cast.cu:12 in function f: "
                                                        "Assertion failed");
        EXPECT_EQ(engine().live_objects(), 0u);
    }
}

TEST_F(CudaFloat8, NativeMemoryThatCannotBeHadIsAStatusAndNothingLeaks)
{
    auto* source = upload(std::vector<float>(16));
    auto* codes = static_cast<uint8_t*>(upload(Bytes(16)));
    const auto quantize = [&] {
        return nbit_float8_quantize(context(), float32, source, 4, 4, e4m3, nullptr, codes, nullptr, nullptr, nullptr);
    };
    ASSERT_EQ(quantize(), NBIT_STATUS_OK) << last_error(); // what is kept, is there from here on
    int64_t before = 0, after = 0, blocks = 0;
    nbit_memory_count(&before, &blocks);
    ASSERT_EQ(quantize(), NBIT_STATUS_OK);
    nbit_memory_count(&after, &blocks);
    EXPECT_EQ(after, before);
    device().failing_function = "cudaMallocAsync";
    device().failing_error = 2;
    EXPECT_EQ(quantize(), NBIT_STATUS_OUT_OF_MEMORY);
    EXPECT_EQ(engine().live_objects(), 0u);
}

TEST_F(CudaFloat8, AVersionWithoutProductsOrNvfp4NamesTheOneThatHasThem)
{
    device().major = 10;
    cuda::Libraries libraries;
    libraries.set_path(NBIT_CUDA_LIBRARY_RUNTIME, NBIT_FAKE_CUDART);
    libraries.set_path(NBIT_CUDA_LIBRARY_TRANSFORMER_ENGINE, NBIT_FAKE_TRANSFORMER_ENGINE_204);
    const cuda::CudaBackend backend(libraries, device_index);
    const auto expect_missing = [&](const auto& operation, const char* message) {
        try {
            backend.run(stream, operation);
            FAIL();
        } catch (const Error& error) {
            EXPECT_EQ(error.status(), NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND);
            EXPECT_STREQ(error.what(), message);
        }
    };
    auto* codes = static_cast<uint8_t*>(upload(Bytes(256)));
    auto* number = upload(std::vector<float>{1});
    void* target = upload(Bytes(1024));
    const ScaledMatrix a{e4m3, NBIT_SCALING_TENSOR, codes, 16, 16, number, nullptr};
    expect_missing(operation::MultiplyScaled{16, 16, 16, a, false, a, false, 0, nullptr, false, float32, target},
                   "this Transformer Engine has no nvte_create_matmul_config, which is there since version 2.8; "
                   "install a newer version");
    const ScaledMatrix pairs{NBIT_DATA_TYPE_FLOAT4_E2M1FN_X2, NBIT_SCALING_NVFP4_1X16, codes, 16, 16, codes, number};
    expect_missing(operation::DequantizeScaled{pairs, float32, target},
                   "this Transformer Engine has no NVFP4, which is there since version 2.8; install a newer version");
}

} // namespace
} // namespace nbit::test
