// The objects that own Transformer Engine's handles, and its loader.
#include "cuda/backend.h"
#include "cuda_fixture.h"

#include <cstring>
#include <filesystem>
#include <unistd.h>

namespace nbit::test
{
namespace
{

using cuda::Libraries;
namespace te = cuda::te;
namespace fs = std::filesystem;

class CudaTransformerEngine : public CudaTest
{
protected:
    static std::unique_ptr<Libraries> with_engine(const char* path)
    {
        auto libraries = std::make_unique<Libraries>();
        libraries->set_path(NBIT_CUDA_LIBRARY_RUNTIME, NBIT_FAKE_CUDART);
        libraries->set_path(NBIT_CUDA_LIBRARY_TRANSFORMER_ENGINE, path);
        return libraries;
    }
    static std::string describe(Libraries& libraries)
    {
        return libraries.describe(NBIT_CUDA_LIBRARY_TRANSFORMER_ENGINE).c_str();
    }
    std::map<int32_t, Bytes> attributes_of(te::Handle config) { return engine().config(config).attributes; }
};

class CudaTransformerEngineVersions : public CudaTransformerEngine, public testing::WithParamInterface<const char*>
{
};

// By nvte_set_tensor_param_v2, or by what there was before 2.12.
TEST_P(CudaTransformerEngineVersions, TensorsDescribeMemory)
{
    const auto libraries = with_engine(GetParam());
    const cuda::TransformerEngine& library = libraries->transformer_engine();
    float scale = 0;
    Bytes codes(6);
    te::Tensor tensor(library, te::ScalingMode::mxfp8_1d);
    tensor.set(te::TensorParameter::rowwise_data, codes.data(), te::Type::float8_e4m3, {2, 3});
    tensor.set(te::TensorParameter::scale, &scale, te::Type::float32, {1});
    const FakeTensor& made = engine().tensor(tensor.handle());
    EXPECT_EQ(made.mode, 1);
    ASSERT_EQ(made.parameters.size(), 2u);
    const FakeBasicTensor &data = made.parameters.at(0), &of_scale = made.parameters.at(2);
    EXPECT_EQ(data.data, codes.data());
    EXPECT_EQ(data.type, 7);
    EXPECT_EQ(data.shape.dimensions, 2u);
    EXPECT_EQ(data.shape.extents[0], 2u);
    EXPECT_EQ(data.shape.extents[1], 3u);
    EXPECT_EQ(of_scale.data, &scale);
    EXPECT_EQ(of_scale.type, 4);
    EXPECT_EQ(of_scale.shape.dimensions, 1u);
    EXPECT_EQ(tensor.data(), codes.data());
    EXPECT_EQ(tensor.type(), te::Type::float8_e4m3);
    EXPECT_EQ(tensor.shape().extents[1], 3u);
}

INSTANTIATE_TEST_SUITE_P(All, CudaTransformerEngineVersions,
                         testing::Values(NBIT_FAKE_TRANSFORMER_ENGINE, NBIT_FAKE_TRANSFORMER_ENGINE_204),
                         [](const auto& test) { return test.index == 0 ? "Newest" : "Before212"; });

TEST_F(CudaTransformerEngine, AttributesOfConfigsHaveTheWidthsOfTheirTypes)
{
    const auto libraries = with_engine(NBIT_FAKE_TRANSFORMER_ENGINE);
    const cuda::TransformerEngine& library = libraries->transformer_engine();
    const te::Tensor noop(library);
    {
        te::QuantizationConfig config(library);
        config.set(te::QuantizationAttribute::force_power_of_two_scales, true);
        config.set(te::QuantizationAttribute::amax_epsilon, 0.5f);
        config.set(te::QuantizationAttribute::noop_tensor, noop);
        EXPECT_EQ(attributes_of(config.handle()),
                  (std::map<int32_t, Bytes>{{0, {1}},
                                            {1, bytes_of(std::vector<float>{0.5f})},
                                            {2, bytes_of(std::vector<void*>{noop.handle()})}}));
    }
    te::MatmulConfig config(library);
    config.set(te::MatmulAttribute::bias_tensor, noop);
    config.set(te::MatmulAttribute::split_accumulator, true);
    config.set(te::MatmulAttribute::processor_count, 7);
    EXPECT_EQ(attributes_of(config.handle()),
              (std::map<int32_t, Bytes>{
                  {0, bytes_of(std::vector<void*>{noop.handle()})}, {5, {1}}, {6, bytes_of(std::vector<int32_t>{7})}}));
}

TEST_F(CudaTransformerEngine, WorkspacesAreAskedForAndThenGiven)
{
    const auto libraries = with_engine(NBIT_FAKE_TRANSFORMER_ENGINE);
    const cuda::TransformerEngine& library = libraries->transformer_engine();
    const cuda::Launch launch(libraries->runtime(), device_index, stream);
    std::vector<void*> given;
    te::with_workspace(library, launch, [&](te::Handle workspace) {
        constexpr int32_t float32 = 4;
        FakeBasicTensor& basic = engine().tensor(workspace).parameters[0];
        given.push_back(basic.data);
        if (!basic.data) basic = {nullptr, float32, {{3, 5}, 2}};
    });
    ASSERT_EQ(given.size(), 2u);
    EXPECT_EQ(given[0], nullptr);
    int32_t owner = -1;
    EXPECT_EQ(device().find(given[1], &owner), given[1]);
    EXPECT_EQ(owner, device_index);
    const fake::Call& allocation = call_of("cudaMallocAsync");
    EXPECT_EQ(allocation.size("bytes"), 60u);
    EXPECT_EQ(allocation.pointer("stream"), stream);
}

TEST_F(CudaTransformerEngine, AWorkspaceOfNothingIsNotAllocated)
{
    const auto libraries = with_engine(NBIT_FAKE_TRANSFORMER_ENGINE);
    const cuda::Launch launch(libraries->runtime(), device_index, stream);
    int times = 0;
    te::with_workspace(libraries->transformer_engine(), launch, [&](te::Handle) { ++times; });
    EXPECT_EQ(times, 2);
    for (const Recorded& recorded : calls())
        EXPECT_NE(recorded.call.function, "cudaMallocAsync");
}

TEST_F(CudaTransformerEngine, ItsExceptionsAreStatusesAndItsObjectsAreReleased)
{
    const auto libraries = with_engine(NBIT_FAKE_TRANSFORMER_ENGINE);
    const cuda::TransformerEngine& library = libraries->transformer_engine();
    throwing_function = "nvte_set_tensor_param_v2";
    throw_it = [] { throw std::runtime_error("/src/common.cu:12 in function f: Assertion failed"); };
    try {
        te::Tensor tensor(library);
        tensor.set(te::TensorParameter::amax, nullptr, te::Type::float32, {1});
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.status(), NBIT_STATUS_INTERNAL_ERROR);
        EXPECT_STREQ(error.what(),
                     "nvte_set_tensor_param_v2 of Transformer Engine failed: /src/common.cu:12 in function "
                     "f: Assertion failed");
    }
}

TEST_F(CudaTransformerEngine, ShapesThatNoTensorHasAreInvalid)
{
    const auto libraries = with_engine(NBIT_FAKE_TRANSFORMER_ENGINE);
    te::Tensor tensor(libraries->transformer_engine());
    EXPECT_THROW(tensor.set(te::TensorParameter::amax, nullptr, te::Type::float32, {-1}), Error);
    EXPECT_THROW(tensor.set(te::TensorParameter::amax, nullptr, te::Type::float32,
                            {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}),
                 Error);
    EXPECT_THROW(te::byte_count(te::Type::float32, {{size_t{1} << 40, size_t{1} << 40}, 2}), Error);
}

TEST_F(CudaTransformerEngine, TypesAreThoseOfVersionsSince24)
{
    const std::map<int32_t, int32_t> expected = {
        {NBIT_DATA_TYPE_UINT8, 0},          {NBIT_DATA_TYPE_INT32, 2},
        {NBIT_DATA_TYPE_INT64, 3},          {NBIT_DATA_TYPE_FLOAT32, 4},
        {NBIT_DATA_TYPE_FLOAT16, 5},        {NBIT_DATA_TYPE_BFLOAT16, 6},
        {NBIT_DATA_TYPE_FLOAT8_E4M3FN, 7},  {NBIT_DATA_TYPE_FLOAT8_E5M2, 8},
        {NBIT_DATA_TYPE_FLOAT8_E8M0FNU, 9}, {NBIT_DATA_TYPE_FLOAT4_E2M1FN_X2, 10}};
    for (const auto& [type, number] : expected)
        EXPECT_EQ(static_cast<int32_t>(te::type_of(type)), number);
    EXPECT_THROW(te::type_of(NBIT_DATA_TYPE_FLOAT64), Error);
}

TEST_F(CudaTransformerEngine, IsRefusedBeforeItsShapesWereWhatTheyAre)
{
    const std::string found = describe(*with_engine(NBIT_FAKE_TRANSFORMER_ENGINE_203));
    EXPECT_NE(
        found.find("is of a Transformer Engine before 2.4, as it has no nvte_make_shape: its NVTEShape is another "
                   "type"),
        std::string::npos)
        << found;
}

TEST_F(CudaTransformerEngine, IsNamedWithItsVersionAndThatOfNvrtc)
{
    const std::string found = describe(*with_engine(NBIT_FAKE_TRANSFORMER_ENGINE));
    EXPECT_NE(found.find("version 2.12 or later by its functions, all 23 functions that NBit uses, with "),
              std::string::npos)
        << found;
    EXPECT_NE(found.find("libnvrtc.so.13. Used for float8, MXFP8 and NVFP4"), std::string::npos) << found;
}

TEST_F(CudaTransformerEngine, OfAnotherVersionIsRefusedByTheNumberOfItsPackage)
{
    const fs::path root = fs::path(testing::TempDir()) / ("nbit_engine" + std::to_string(getpid()));
    for (const char* version : {"3.0", "2.3"}) {
        const fs::path library = root / version / "transformer_engine" / "wheel_lib" / "libtransformer_engine.so";
        fs::create_directories(library.parent_path());
        fs::create_symlink(NBIT_FAKE_TRANSFORMER_ENGINE, library);
        fs::create_directories(root / version / (std::string("transformer_engine_cu13-") + version + ".1.dist-info"));
        const std::string found = describe(*with_engine(library.c_str()));
        EXPECT_NE(found.find(std::string("is of Transformer Engine ") + version + "; NBit knows the functions of 2.4"),
                  std::string::npos)
            << found;
    }
    fs::remove_all(root);
}

TEST_F(CudaTransformerEngine, WithoutNvrtcSaysHowToGetIt)
{
    device().version = 12060; // there is none of this version beside the fake runtime
    const std::string found = describe(*with_engine(NBIT_FAKE_TRANSFORMER_ENGINE));
    EXPECT_NE(found.find("Transformer Engine needs libnvrtc.so.12"), std::string::npos) << found;
    EXPECT_NE(found.find("pip install nvidia-cuda-nvrtc"), std::string::npos) << found;
}

} // namespace
} // namespace nbit::test
