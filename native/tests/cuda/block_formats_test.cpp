// MXFP8, float8 in blocks and NVFP4 through Transformer Engine, whose scales are laid out otherwise, and what devices
// must have for them.
#include "cpu/float8/scaled_matrix.h"
#include "cuda/backend.h"
#include "cuda_fixture.h"

namespace nbit::test
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32, float16 = NBIT_DATA_TYPE_FLOAT16,
                  bfloat16 = NBIT_DATA_TYPE_BFLOAT16;
constexpr int32_t e4m3 = NBIT_DATA_TYPE_FLOAT8_E4M3FN, e5m2 = NBIT_DATA_TYPE_FLOAT8_E5M2,
                  e2m1 = NBIT_DATA_TYPE_FLOAT4_E2M1FN_X2;
constexpr int32_t types[] = {float32, float16, bfloat16};

Bytes numbers(int32_t type, int64_t count, unsigned seed)
{
    return rounded(type, random_numbers(Numbers::of_all_magnitudes, count, seed));
}

class CudaBlockFormats : public CudaTest
{
protected:
    CudaBlockFormats() { device().major = 10; }
    static size_t scale_bytes(int32_t format, int32_t scaling, int64_t rows, int64_t columns)
    {
        return static_cast<size_t>(
            ScaledMatrix{format, scaling, nullptr, rows, columns, nullptr, nullptr}.scale_count() *
            data_type_size(scale_type_of(scaling)));
    }
    static int32_t quantize_mxfp8(nbit_context* on, const Addresses& a, int64_t rows, int64_t columns, int32_t scaling)
    {
        return nbit_mxfp8_quantize(on, bfloat16, a[0], rows, columns, e4m3, scaling, static_cast<uint8_t*>(a[1]),
                                   static_cast<uint8_t*>(a[2]));
    }
};

// Sizes for which scales are padded in both directions, and some for which they are not.
struct Size {
    int64_t rows, columns;
};
constexpr Size sizes[] = {{32, 32}, {96, 160}, {128, 256}, {160, 96}};

TEST_F(CudaBlockFormats, Mxfp8IsThatOfTheCpu)
{
    for (const auto& [rows, columns] : sizes)
        for (const int32_t scaling : {NBIT_SCALING_MXFP8_1X32, NBIT_SCALING_MXFP8_32X1, NBIT_SCALING_MXFP8_32X32})
            for (const int32_t type : types)
                for (const int32_t format : {e4m3, e5m2})
                    expect_same_as_on_cpu({numbers(type, rows * columns, 1), Bytes(static_cast<size_t>(rows * columns)),
                                           Bytes(scale_bytes(format, scaling, rows, columns))},
                                          [&, rows = rows, columns = columns](nbit_context* on, const Addresses& a) {
                                              return nbit_mxfp8_quantize(on, type, a[0], rows, columns, format, scaling,
                                                                         static_cast<uint8_t*>(a[1]),
                                                                         static_cast<uint8_t*>(a[2]));
                                          });
}

TEST_F(CudaBlockFormats, Float8InBlocksIsThatOfTheCpu)
{
    device().major = 9;
    constexpr float epsilon = 2.5f; // which some blocks do not reach
    for (const auto& [rows, columns] : sizes)
        for (const int32_t scaling : {NBIT_SCALING_FLOAT8_1X128, NBIT_SCALING_FLOAT8_128X128})
            for (const int32_t transpose : {0, 1})
                for (const int32_t power_of_two : {0, 1})
                    expect_same_as_on_cpu({bytes_of(random_numbers(Numbers::ordinary, rows * columns, 2)),
                                           Bytes(static_cast<size_t>(rows * columns)),
                                           Bytes(transpose ? scale_bytes(e5m2, scaling, columns, rows)
                                                           : scale_bytes(e5m2, scaling, rows, columns))},
                                          [&, rows = rows, columns = columns](nbit_context* on, const Addresses& a) {
                                              return nbit_float8_block_quantize(on, float32, a[0], rows, columns,
                                                                                transpose, e5m2, scaling, power_of_two,
                                                                                epsilon, static_cast<uint8_t*>(a[1]),
                                                                                static_cast<float*>(a[2]));
                                          });
}

TEST_F(CudaBlockFormats, Nvfp4IsThatOfTheCpu)
{
    for (const auto& [rows, columns] : sizes)
        for (const int64_t block_rows : {1, 16})
            for (const int32_t transpose : {0, 1})
                for (const bool is_stochastic : {false, true})
                    expect_same_as_on_cpu(
                        {numbers(bfloat16, rows * columns, 3), bytes_of(std::vector<float>{5}),
                         is_stochastic ? bytes_of(std::vector<uint64_t>{0x123456789abcdefull}) : Bytes(),
                         Bytes(static_cast<size_t>(rows * columns / 2)),
                         Bytes(static_cast<size_t>(rows * columns / 16))},
                        [&, rows = rows, columns = columns](nbit_context* on, const Addresses& a) {
                            return nbit_nvfp4_quantize(on, bfloat16, a[0], rows, columns, transpose, block_rows,
                                                       static_cast<float*>(a[1]), static_cast<uint64_t*>(a[2]),
                                                       static_cast<uint8_t*>(a[3]), static_cast<uint8_t*>(a[4]));
                        });
}

TEST_F(CudaBlockFormats, DequantizeAsOnTheCpu)
{
    const std::pair<int32_t, int32_t> formats[] = {{NBIT_SCALING_MXFP8_1X32, e4m3},
                                                   {NBIT_SCALING_MXFP8_32X1, e5m2},
                                                   {NBIT_SCALING_MXFP8_32X32, e4m3},
                                                   {NBIT_SCALING_NVFP4_1X16, e2m1}};
    for (const auto& [scaling, format] : formats)
        for (const auto& [rows, columns] : sizes) {
            Bytes codes(static_cast<size_t>(scaling == NBIT_SCALING_NVFP4_1X16 ? rows * columns / 2 : rows * columns));
            Bytes scales(scale_bytes(format, scaling, rows, columns));
            for (size_t i = 0; i < codes.size(); ++i)
                codes[i] = static_cast<unsigned char>(i * 7);
            for (size_t i = 0; i < scales.size(); ++i)
                scales[i] = static_cast<unsigned char>(100 + i % 20);
            for (const int32_t type : types)
                expect_same_as_on_cpu(
                    {codes, scales, bytes_of(std::vector<float>{7}), Bytes(static_cast<size_t>(rows * columns * 4))},
                    [&, scaling = scaling, format = format, rows = rows, columns = columns](nbit_context* on,
                                                                                            const Addresses& a) {
                        return nbit_scaled_dequantize(on, format, scaling, static_cast<uint8_t*>(a[0]), rows, columns,
                                                      a[1], static_cast<float*>(a[2]), type, a[3]);
                    });
        }
}

TEST_F(CudaBlockFormats, NothingNeedsNoLibrary)
{
    const auto quantize = [](nbit_context* on, const Addresses& a) {
        return quantize_mxfp8(on, a, 0, 64, NBIT_SCALING_MXFP8_1X32);
    };
    expect_same_as_on_cpu({{}, {}, {}}, quantize);
    EXPECT_TRUE(kernel_calls().empty());
}

TEST_F(CudaBlockFormats, WhatHasNoKernelIsLeftToOthers)
{
    const std::vector<Bytes> memory = {Bytes(8192), Bytes(4096), Bytes(4096), Bytes(8)};
    const auto mxfp8 = [](int64_t rows, int64_t columns) {
        return [=](nbit_context* on, const Addresses& a) {
            return quantize_mxfp8(on, a, rows, columns, NBIT_SCALING_MXFP8_1X32);
        };
    };
    expect_refused(memory, mxfp8(33, 32),
                   "rows is 33; the kernel of Transformer Engine on CUDA needs a multiple of 32");
    expect_refused(memory, mxfp8(32, 40), "columns is 40; ");
    const auto blocks = [](int32_t power_of_two) {
        return [=](nbit_context* on, const Addresses& a) {
            return nbit_float8_block_quantize(on, bfloat16, a[0], 16, 16, 0, e4m3, NBIT_SCALING_FLOAT8_1X128,
                                              power_of_two, 0, static_cast<uint8_t*>(a[1]), static_cast<float*>(a[2]));
        };
    };
    expect_refused(memory, blocks(0), "power_of_two is 0; from compute capability 10.0 on (device 1 has 10.0)");
    const auto dequantize = [](nbit_context* on, const Addresses& a) {
        return nbit_scaled_dequantize(on, e4m3, NBIT_SCALING_FLOAT8_1X128, static_cast<uint8_t*>(a[1]), 16, 16, a[2],
                                      nullptr, float32, a[0]);
    };
    expect_refused(memory, dequantize, "scaling is 4; ");
    const auto transform = [](nbit_context* on, const Addresses& a) {
        return nbit_hadamard_transform(on, static_cast<uint16_t*>(a[0]), 16, 16, static_cast<uint16_t*>(a[1]));
    };
    expect_refused(memory, transform, "nbit_hadamard_transform has no kernel on CUDA");
    device().major = 12;
    const auto stochastic = [](nbit_context* on, const Addresses& a) {
        return nbit_nvfp4_quantize(on, bfloat16, a[0], 16, 16, 0, 1, static_cast<float*>(a[3]),
                                   reinterpret_cast<uint64_t*>(a[3]), static_cast<uint8_t*>(a[1]),
                                   static_cast<uint8_t*>(a[2]));
    };
    expect_refused(memory, stochastic, "only devices of compute capability 10.x");
}

TEST_F(CudaBlockFormats, AVersionThatDoesNotKnowTheAttributeIsLeftToOthers)
{
    auto* source = upload(Bytes(2048));
    auto *codes = static_cast<uint8_t*>(upload(Bytes(1024, 0xaa))), *scales = static_cast<uint8_t*>(upload(Bytes(1)));
    engine().known_quantization_attributes = 10;
    EXPECT_EQ(nbit_mxfp8_quantize(context(), bfloat16, source, 32, 32, e4m3, NBIT_SCALING_MXFP8_32X32, codes, scales),
              NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND);
    EXPECT_NE(last_error().find("this Transformer Engine cannot do it: nvte_set_quantization_config_attribute"),
              std::string::npos)
        << last_error();
    EXPECT_TRUE(same_bytes(Bytes(1024, 0xaa), download(codes, 1024)));
}

struct Device {
    int32_t major, minor, scaling;
    const char* message; // empty where it has the kernels
};

class CudaDevices : public CudaTest, public testing::WithParamInterface<Device>
{
};

TEST_P(CudaDevices, AreToldWhatTheyNeed)
{
    const auto [major, minor, scaling, message] = GetParam();
    device().major = major;
    device().minor = minor;
    const std::vector<Bytes> memory = {Bytes(4096), Bytes(1024), Bytes(256), Bytes(4)};
    const auto quantize = [scaling = scaling](nbit_context* on, const Addresses& a) {
        auto *codes = static_cast<uint8_t*>(a[1]), *scales = static_cast<uint8_t*>(a[2]);
        switch (scaling) {
        case NBIT_SCALING_TENSOR:
            return nbit_float8_quantize(on, bfloat16, a[0], 32, 32, e4m3, nullptr, codes, nullptr, nullptr, nullptr);
        case NBIT_SCALING_MXFP8_1X32:
            return nbit_mxfp8_quantize(on, bfloat16, a[0], 32, 32, e4m3, scaling, codes, scales);
        case NBIT_SCALING_FLOAT8_1X128:
            return nbit_float8_block_quantize(on, bfloat16, a[0], 32, 32, 0, e4m3, scaling, 1, 0, codes,
                                              static_cast<float*>(a[2]));
        default:
            return nbit_nvfp4_quantize(on, bfloat16, a[0], 32, 32, 0, 1, static_cast<float*>(a[3]), nullptr, codes,
                                       scales);
        }
    };
    if (*message)
        expect_refused(memory, quantize, message);
    else
        expect_same_as_on_cpu(memory, quantize);
}

constexpr char float8_rule[] = "float8 on CUDA needs compute capability 8.9 or above; device 1 has 8.0";
constexpr char mxfp8_rule[] = "MXFP8 on CUDA needs compute capability 10.0 or above and below 12.0; device 1 has ";
constexpr char nvfp4_rule[] = "NVFP4 on CUDA needs compute capability 10.0 or above; device 1 has 9.0";
constexpr char blocks_rule[] = "float8 in blocks on CUDA needs compute capability 9.0 or above; device 1 has 8.9";
INSTANTIATE_TEST_SUITE_P(
    All, CudaDevices,
    testing::Values(Device{8, 0, NBIT_SCALING_TENSOR, float8_rule}, Device{8, 9, NBIT_SCALING_TENSOR, ""},
                    Device{9, 0, NBIT_SCALING_TENSOR, ""}, Device{12, 0, NBIT_SCALING_TENSOR, ""},
                    Device{9, 0, NBIT_SCALING_MXFP8_1X32, mxfp8_rule}, Device{10, 0, NBIT_SCALING_MXFP8_1X32, ""},
                    Device{10, 3, NBIT_SCALING_MXFP8_1X32, ""}, Device{12, 0, NBIT_SCALING_MXFP8_1X32, mxfp8_rule},
                    Device{8, 9, NBIT_SCALING_FLOAT8_1X128, blocks_rule}, Device{9, 0, NBIT_SCALING_FLOAT8_1X128, ""},
                    Device{10, 0, NBIT_SCALING_FLOAT8_1X128, ""}, Device{9, 0, NBIT_SCALING_NVFP4_1X16, nvfp4_rule},
                    Device{10, 0, NBIT_SCALING_NVFP4_1X16, ""}, Device{12, 0, NBIT_SCALING_NVFP4_1X16, ""}));

struct Cuda {
    int32_t version, major, minor, scaling;
    const char* message;
};

class CudaVersions : public CudaTest, public testing::WithParamInterface<Cuda>
{
};

TEST_P(CudaVersions, ThatAreTooOldAreToldWhatIsNeeded)
{
    const auto [version, major, minor, scaling, message] = GetParam();
    device().version = version;
    device().major = major;
    device().minor = minor;
    cuda::Libraries libraries;
    libraries.set_path(NBIT_CUDA_LIBRARY_RUNTIME, NBIT_FAKE_CUDART);
    const cuda::CudaBackend backend(libraries, device_index);
    const ScaledMatrix matrix{e4m3, scaling, nullptr, 32, 32, nullptr, nullptr};
    try {
        if (scaling == NBIT_SCALING_FLOAT8_1X128)
            backend.run(stream, operation::QuantizeFloat8Blocks{{bfloat16, nullptr, 32, 32, false}, matrix, true, 0});
        else
            backend.run(stream, operation::DequantizeScaled{matrix, float32, nullptr});
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.status(), NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND);
        EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
    }
}

INSTANTIATE_TEST_SUITE_P(
    All, CudaVersions,
    testing::Values(
        Cuda{12000, 8, 9, NBIT_SCALING_TENSOR,
             "float8 on device 1, of compute capability 8.9, needs CUDA 12.1 or later; the runtime is 12.0"},
        Cuda{12070, 10, 0, NBIT_SCALING_MXFP8_1X32, "needs CUDA 12.8 or later; the runtime is 12.7"},
        Cuda{12080, 9, 0, NBIT_SCALING_FLOAT8_1X128, "needs CUDA 12.9 or later; the runtime is 12.8"},
        Cuda{12070, 10, 0, NBIT_SCALING_NVFP4_1X16, "needs CUDA 12.8 or later; the runtime is 12.7"}));

} // namespace
} // namespace nbit::test
