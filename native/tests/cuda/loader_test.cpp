// Where the libraries are searched, and which of those found are used.
#include "cuda/backend.h"
#include "cuda/search.h"
#include "cuda_fixture.h"

#include <cstdlib>
#include <filesystem>
#include <unistd.h>

namespace nbit::test
{
namespace
{

namespace fs = std::filesystem;
using cuda::Libraries;

// A variable of the environment for as long as it lives.
class Variable
{
public:
    Variable(const char* name, const std::string& value) : name_(name) { setenv(name, value.c_str(), 1); }
    ~Variable() { unsetenv(name_); }
    Variable(const Variable&) = delete;

private:
    const char* name_;
};

// A Python environment with packages of ours, and the fake CUDA runtime.
class CudaLoader : public CudaTest
{
protected:
    CudaLoader()
    {
        for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX", "NBIT_CUDA_RUNTIME_LIBRARY",
                                 "NBIT_BITSANDBYTES_LIBRARY", "NBIT_TRANSFORMER_ENGINE_LIBRARY"})
            unsetenv(name);
        const auto* test = testing::UnitTest::GetInstance()->current_test_info();
        root_ = fs::path(testing::TempDir()) / ("nbit_" + std::string(test->name()) + std::to_string(getpid()));
        fs::create_directories(packages());
    }
    ~CudaLoader() override { fs::remove_all(root_); }

    fs::path root() const { return root_; }
    fs::path packages() const { return root_ / "lib" / "python3.12" / "site-packages"; }
    void install(const std::string& file, const char* library)
    {
        fs::create_directories((packages() / file).parent_path());
        fs::create_symlink(library, packages() / file);
    }
    void name_version(const std::string& package) { fs::create_directories(packages() / (package + ".dist-info")); }

    static std::unique_ptr<Libraries> with_runtime()
    {
        auto libraries = std::make_unique<Libraries>();
        libraries->set_path(NBIT_CUDA_LIBRARY_RUNTIME, NBIT_FAKE_CUDART);
        return libraries;
    }
    static std::string describe(Libraries& libraries, int32_t library) { return libraries.describe(library).c_str(); }

private:
    fs::path root_;
};

#define EXPECT_CONTAINS(text, part) EXPECT_NE((text).find(part), std::string::npos) << text

TEST_F(CudaLoader, TakesThePathOfTheEnvironmentsVariable)
{
    const Variable runtime("NBIT_CUDA_RUNTIME_LIBRARY", NBIT_FAKE_CUDART);
    const Variable bitsandbytes("NBIT_BITSANDBYTES_LIBRARY", NBIT_FAKE_BITSANDBYTES);
    Libraries libraries;
    EXPECT_CONTAINS(describe(libraries, NBIT_CUDA_LIBRARY_RUNTIME),
                    std::string(NBIT_FAKE_CUDART) + ", version 13.0, all 20 functions that NBit uses; 2 devices; 0: "
                                                    "compute capability 9.0, 132 processors, 71680 of 81920 MiB free");
    EXPECT_CONTAINS(describe(libraries, NBIT_CUDA_LIBRARY_BITSANDBYTES),
                    std::string(NBIT_FAKE_BITSANDBYTES) + ", version 0.50 or later by its functions, all 61 functions");
}

TEST_F(CudaLoader, PrefersThePathSetInCode)
{
    const Variable bitsandbytes("NBIT_BITSANDBYTES_LIBRARY", NBIT_FAKE_BITSANDBYTES);
    const auto libraries = with_runtime();
    libraries->set_path(NBIT_CUDA_LIBRARY_BITSANDBYTES, NBIT_FAKE_BITSANDBYTES_049);
    const std::string found = describe(*libraries, NBIT_CUDA_LIBRARY_BITSANDBYTES);
    EXPECT_CONTAINS(found, std::string(NBIT_FAKE_BITSANDBYTES_049) + ", version 0.45 to 0.49 by its functions");
    EXPECT_CONTAINS(found, "58 of 61 functions that NBit uses; missing: cgemm_4bit_fp32 (since 0.50)");
}

TEST_F(CudaLoader, FindsThePackageOfAPythonEnvironmentWithItsVersion)
{
    install("bitsandbytes/libbitsandbytes_cuda130.so", NBIT_FAKE_BITSANDBYTES);
    name_version("bitsandbytes-0.50.2");
    for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
        const Variable environment(name, root().string());
        const std::string found = describe(*with_runtime(), NBIT_CUDA_LIBRARY_BITSANDBYTES);
        EXPECT_CONTAINS(found, (packages() / "bitsandbytes/libbitsandbytes_cuda130.so").string() + ", version 0.50,");
    }
}

TEST_F(CudaLoader, TakesTheBuildForTheRuntimesVersion)
{
    for (const char* number : {"118", "126", "129", "132"})
        install(std::string("bitsandbytes/libbitsandbytes_cuda") + number + ".so", NBIT_FAKE_BITSANDBYTES);
    install("bitsandbytes/libbitsandbytes_cpu.so", NBIT_FAKE_BITSANDBYTES);
    const Variable environment("VIRTUAL_ENV", root().string());
    device().version = 12080;
    EXPECT_CONTAINS(describe(*with_runtime(), NBIT_CUDA_LIBRARY_BITSANDBYTES), "libbitsandbytes_cuda126.so, ");
    device().version = 12090;
    EXPECT_CONTAINS(describe(*with_runtime(), NBIT_CUDA_LIBRARY_BITSANDBYTES), "libbitsandbytes_cuda129.so, ");
    device().version = 13000;
    EXPECT_CONTAINS(describe(*with_runtime(), NBIT_CUDA_LIBRARY_BITSANDBYTES), "libbitsandbytes_cuda132.so, ");
    device().version = 14000;
    EXPECT_CONTAINS(describe(*with_runtime(), NBIT_CUDA_LIBRARY_BITSANDBYTES),
                    "libbitsandbytes_cuda132.so: built for CUDA 13.2, and the runtime is 14.0");
}

TEST_F(CudaLoader, FindsTheRuntimeOfAPythonEnvironment)
{
    install("nvidia/cu13/lib/libcudart.so.13", NBIT_FAKE_CUDART);
    const Variable environment("VIRTUAL_ENV", root().string());
    Libraries libraries;
    EXPECT_CONTAINS(describe(libraries, NBIT_CUDA_LIBRARY_RUNTIME),
                    (packages() / "nvidia/cu13/lib/libcudart.so.13").string() + ", version 13.0");
}

TEST_F(CudaLoader, LooksNotInTheCurrentDirectory)
{
    const fs::path before = fs::current_path();
    install("libbitsandbytes_cuda130.so", NBIT_FAKE_BITSANDBYTES);
    fs::current_path(packages());
    EXPECT_CONTAINS(describe(*with_runtime(), NBIT_CUDA_LIBRARY_BITSANDBYTES), "not used: bitsandbytes was not found");
    const Variable relative("NBIT_BITSANDBYTES_LIBRARY", "libbitsandbytes_cuda130.so");
    EXPECT_CONTAINS(describe(*with_runtime(), NBIT_CUDA_LIBRARY_BITSANDBYTES), "give an absolute path");
    fs::current_path(before);
}

TEST_F(CudaLoader, SaysWhatItTriedAndWhy)
{
    install("bitsandbytes/libbitsandbytes_cuda130.so", "/dev/null");
    const Variable environment("VIRTUAL_ENV", root().string());
    const std::string found = describe(*with_runtime(), NBIT_CUDA_LIBRARY_BITSANDBYTES);
    EXPECT_CONTAINS(found, "not used: bitsandbytes was not found. Install it (pip install bitsandbytes)");
    EXPECT_CONTAINS(found, "NBIT_BITSANDBYTES_LIBRARY (not set)");
    EXPECT_CONTAINS(found, "VIRTUAL_ENV (" + root().string() + ")");
    EXPECT_CONTAINS(found, "Tried:\n  " + (packages() / "bitsandbytes/libbitsandbytes_cuda130.so").string() + ": ");
}

TEST_F(CudaLoader, RefusesAnotherMajorVersion)
{
    install("bitsandbytes/libbitsandbytes_cuda130.so", NBIT_FAKE_BITSANDBYTES);
    const Variable environment("VIRTUAL_ENV", root().string());
    for (const char* version : {"1.0", "0.44"}) {
        name_version(std::string("bitsandbytes-") + version + ".0");
        EXPECT_CONTAINS(describe(*with_runtime(), NBIT_CUDA_LIBRARY_BITSANDBYTES),
                        std::string("is of bitsandbytes ") + version + "; NBit knows the functions of 0.45 to 0.x");
        fs::remove(packages() / (std::string("bitsandbytes-") + version + ".0.dist-info"));
    }
}

TEST_F(CudaLoader, RefusesALibraryThatIsNotBitsandbytes)
{
    const auto libraries = with_runtime();
    libraries->set_path(NBIT_CUDA_LIBRARY_BITSANDBYTES, NBIT_FAKE_CUDART);
    EXPECT_CONTAINS(describe(*libraries, NBIT_CUDA_LIBRARY_BITSANDBYTES),
                    "is no library of bitsandbytes 0.45 or later for CUDA: it has 0 of 61 functions");
}

TEST_F(CudaLoader, RefusesAnOldRuntime)
{
    Libraries libraries;
    libraries.set_path(NBIT_CUDA_LIBRARY_RUNTIME, NBIT_FAKE_CUDART_OLD);
    const std::string found = describe(libraries, NBIT_CUDA_LIBRARY_RUNTIME);
    EXPECT_CONTAINS(found, "is no CUDA runtime of version 11.2 or later");
    EXPECT_CONTAINS(found, "cudaMallocAsync (since 11.2)");
    device().version = 11010;
    EXPECT_CONTAINS(describe(*with_runtime(), NBIT_CUDA_LIBRARY_RUNTIME), "is CUDA 11.1; NBit needs 11.2 or later");
}

TEST_F(CudaLoader, WithoutARuntimeSaysHowToGetOne)
{
    Libraries libraries;
    libraries.set_path(NBIT_CUDA_LIBRARY_RUNTIME, "/nowhere/libcudart.so.13");
    EXPECT_CONTAINS(describe(libraries, NBIT_CUDA_LIBRARY_RUNTIME), "not used: no CUDA runtime was found");
    EXPECT_THROW(cuda::CudaBackend(libraries, 0), Error);
}

TEST_F(CudaLoader, WithoutADeviceThereIsNoContext)
{
    device().device_count = 0;
    nbit_context* context = nullptr;
    EXPECT_EQ(nbit_context_create(NBIT_DEVICE_KIND_CUDA, 0, 1, &context), NBIT_STATUS_NOT_SUPPORTED);
    EXPECT_CONTAINS(last_error(), "finds no device");
}

TEST_F(CudaLoader, OpensNothingBeforeItIsNeeded)
{
    const auto libraries = with_runtime();
    const cuda::CudaBackend backend(*libraries, 0);
    EXPECT_NO_THROW(libraries->set_path(NBIT_CUDA_LIBRARY_BITSANDBYTES, NBIT_FAKE_BITSANDBYTES_049));
    libraries->bitsandbytes();
    EXPECT_THROW(libraries->set_path(NBIT_CUDA_LIBRARY_BITSANDBYTES, NBIT_FAKE_BITSANDBYTES), Error);
    EXPECT_THROW(libraries->set_path(NBIT_CUDA_LIBRARY_RUNTIME, NBIT_FAKE_CUDART), Error);
}

TEST_F(CudaLoader, AMissingFunctionIsLeftToOthers)
{
    const auto libraries = with_runtime();
    libraries->set_path(NBIT_CUDA_LIBRARY_BITSANDBYTES, NBIT_FAKE_BITSANDBYTES_049);
    try {
        libraries->bitsandbytes().multiply4[0](nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,
                                               0, 0, 0, 0, 0, nullptr);
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.status(), NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND);
        EXPECT_STREQ(error.what(), "this bitsandbytes has no cgemm_4bit_fp32, which is there since version 0.50; "
                                   "install a newer version");
    }
}

TEST_F(CudaLoader, DescribesInAsManyBytesAsThereAre)
{
    char text[8];
    EXPECT_EQ(nbit_cuda_describe(NBIT_CUDA_LIBRARY_RUNTIME, text, sizeof(text)), NBIT_STATUS_OK);
    EXPECT_STREQ(text, std::string(NBIT_FAKE_CUDART).substr(0, 7).c_str());
    EXPECT_EQ(nbit_cuda_describe(NBIT_CUDA_LIBRARY_RUNTIME, text, 0), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(nbit_cuda_describe(3, text, sizeof(text)), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_CONTAINS(last_error(), "library is 3");
    EXPECT_EQ(nbit_cuda_set_library(NBIT_CUDA_LIBRARY_RUNTIME, "here.so"), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_CONTAINS(last_error(), "path is 'here.so'");
}

} // namespace
} // namespace nbit::test
