// The comparison of a GPU with the CPU, on the fake devices: it finds nothing where all is right, and says what is
// wrong.
#include "cuda/libraries.h"
#include "cuda_fixture.h"
#include "gpu/checks.h"

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
        has_failed_ = checks.has_failed();
        std::ostringstream out;
        checks.print(out);
        return out.str();
    }
    bool has_failed_ = false;
};

TEST_F(CudaGpuChecks, PassWhereAllIsRight)
{
    const std::string table = run();
    EXPECT_FALSE(has_failed_) << table;
    for (const char* group :
         {"golden: quantize to 8 bits", "special blocks", "dequantize nested 4 bits", "4-bit layers", "int8 products",
          "int8 rows", "optimizers with 32-bit states", "optimizers with 8-bit states"})
        EXPECT_NE(table.find(group), std::string::npos) << group << " is missing in\n" << table;
}

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
