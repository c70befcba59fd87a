// The comparison of a GPU with the CPU, on the fake devices: it finds nothing where all is right, and says what is
// wrong.
#include "cuda/libraries.h"
#include "cuda_fixture.h"
#include "gpu/checks.h"

#include <filesystem>
#include <sstream>

namespace nbit::test
{
namespace
{

std::string golden_directory()
{
    const char* chosen = std::getenv("NBIT_GOLDEN_DIR");
    return chosen && *chosen ? chosen : NBIT_GOLDEN;
}

class CudaGpuChecks : public CudaTest
{
protected:
    std::string run()
    {
        gpu::Checks checks(cuda::libraries().runtime(), device_index);
        gpu::check_golden_blocks(checks, golden_directory());
        gpu::check_blocks(checks);
        gpu::check_products(checks);
        gpu::check_optimizers(checks);
        gpu::check_golden_float8(checks, golden_directory());
        gpu::check_scaled_matrices(checks);
        has_failed_ = checks.has_failed();
        std::ostringstream out;
        checks.print(out);
        return out.str();
    }
    bool has_failed_ = false;
};

class CudaGpuChecksOfDevices : public CudaGpuChecks, public testing::WithParamInterface<int32_t>
{
};

TEST_P(CudaGpuChecksOfDevices, PassWhereAllIsRight)
{
    device().major = GetParam();
    const std::string table = run();
    EXPECT_FALSE(has_failed_) << table;
    for (const char* group :
         {"special blocks", "dequantize nested 4 bits", "4-bit layers", "int8 products", "int8 rows",
          "optimizers with 32-bit states", "optimizers with 8-bit states", "amax", "quantize float8", "quantize mxfp8",
          "quantize nvfp4", "products of float8 in blocks", "products of nvfp4"})
        EXPECT_NE(table.find(group), std::string::npos) << group << " is missing in\n" << table;
    // The repository has a part of the golden data.
    const std::vector<std::pair<const char*, std::vector<const char*>>> by_file = {
        {"bitsandbytes/quant8bit_blockwise", {"golden: quantize to 8 bits"}},
        {"float8/casts", {"golden: casts to float8"}},
        {"float8/codes",
         {"golden: scales of amax", "golden: amax histories", "golden: float8 of layers", "golden: float8 products",
          "golden: quantize mxfp8", "golden: quantize float8_block", "golden: products of nvfp4"}}};
    for (const auto& [file, groups] : by_file) {
        if (!std::filesystem::exists(golden_directory() + "/" + file + ".safetensors")) continue;
        for (const char* group : groups)
            EXPECT_NE(table.find(group), std::string::npos) << group << " is missing in\n" << table;
    }
}

INSTANTIATE_TEST_SUITE_P(ComputeCapabilities, CudaGpuChecksOfDevices, testing::Values(9, 10));

TEST_F(CudaGpuChecks, FailWhereAKernelIsWrong)
{
    const fake::Handler right = fake::handler();
    fake::handler() = [&](const fake::Call& call) {
        if (call.function != "cdequant_mm_int32_fp16") return right(call);
        fake::Call wrong = call;
        std::swap(wrong.arguments[1].bits, wrong.arguments[2].bits); // rows' and columns' absmax
        right(wrong);
    };
    const std::string table = run();
    EXPECT_TRUE(has_failed_);
    EXPECT_NE(table.find("float16: target["), std::string::npos) << table;
    fake::handler() = right;
}

} // namespace
} // namespace nbit::test
