// What happens when the libraries fail, and which exports a CUDA context leads where.
#include "cuda_fixture.h"

#include <fstream>
#include <map>
#include <regex>
#include <set>

namespace nbit::test
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32;
constexpr int64_t count = 128, blocksize = 64;

class CudaErrors : public CudaTest
{
protected:
    int32_t quantize()
    {
        return nbit_blocks4_quantize(context(), NBIT_QUANT_TYPE_NF4, float32, source_, count, blocksize,
                                     static_cast<uint8_t*>(packed_), static_cast<float*>(absmax_));
    }
    void* source_ = upload(bytes_of(random_numbers(Numbers::ordinary, count, 1)));
    void* packed_ = upload(Bytes(count / 2));
    void* absmax_ = upload(Bytes(8));
};

TEST_F(CudaErrors, AnExceptionOfALibraryIsAStatusWithItsText)
{
    throwing_function = "cquantize_blockwise_fp32_nf4";
    throw_it = [] { throw std::runtime_error("no kernel image is available"); };
    EXPECT_EQ(quantize(), NBIT_STATUS_INTERNAL_ERROR);
    EXPECT_EQ(last_error(), "cquantize_blockwise_fp32_nf4 of bitsandbytes failed: no kernel image is available");
    EXPECT_EQ(quantize(), NBIT_STATUS_OK) << last_error(); // the next one is not affected
}

TEST_F(CudaErrors, AnExceptionThatIsNoneOfTheStandardsIsAStatus)
{
    throwing_function = "cquantize_blockwise_fp32_nf4";
    throw_it = [] { throw 7; };
    EXPECT_EQ(quantize(), NBIT_STATUS_INTERNAL_ERROR);
    EXPECT_NE(last_error().find("exception of unknown type"), std::string::npos) << last_error();
}

TEST_F(CudaErrors, AnExceptionLeavesTheStreamsInOrder)
{
    throwing_function = "cquantize_blockwise_fp32_nf4";
    throw_it = [] { throw std::runtime_error(""); };
    EXPECT_EQ(quantize(), NBIT_STATUS_INTERNAL_ERROR);
    std::vector<void*> waiting;
    for (const Recorded& recorded : calls())
        if (recorded.call.function == "cudaStreamWaitEvent") waiting.push_back(recorded.call.pointer("stream"));
    EXPECT_EQ(waiting, (std::vector<void*>{nullptr, stream}));
}

TEST_F(CudaErrors, AnErrorOfTheRuntimeIsAStatusWithItsReason)
{
    device().failing_function = "cudaMallocAsync";
    device().failing_error = 700;
    EXPECT_EQ(quantize(), NBIT_STATUS_INTERNAL_ERROR);
    EXPECT_EQ(last_error(), "cudaMallocAsync failed with error 700 of CUDA: the reason that CUDA gives");
}

TEST_F(CudaErrors, ALackOfDeviceMemoryIsOutOfMemory)
{
    device().failing_function = "cudaMallocAsync";
    device().failing_error = 2;
    EXPECT_EQ(quantize(), NBIT_STATUS_OUT_OF_MEMORY);
}

TEST_F(CudaErrors, AFailedInt8ProductIsAStatus)
{
    auto *a = static_cast<int8_t*>(upload(Bytes(64))), *b = static_cast<int8_t*>(upload(Bytes(64)));
    auto* product = static_cast<int32_t*>(upload(Bytes(256)));
    const fake::Handler usual = fake::handler();
    for (const auto& [error, status] :
         {std::pair{100, NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND}, std::pair{1, NBIT_STATUS_INTERNAL_ERROR}}) {
        fake::handler() = [&, failing = error](const fake::Call& call) {
            if (call.function != "cigemmlt_32") return usual(call);
            call.give<int32_t>(failing);
        };
        EXPECT_EQ(nbit_int8_multiply(context(), a, b, 8, 8, 8, product), status) << last_error();
    }
    fake::handler() = usual;
}

TEST_F(CudaErrors, NativeMemoryThatCannotBeHadIsAStatusAndNothingLeaks)
{
    ASSERT_EQ(quantize(), NBIT_STATUS_OK); // what is kept, is there from here on
    int64_t before = 0, after = 0, blocks = 0;
    nbit_memory_count(&before, &blocks);
    int32_t status = NBIT_STATUS_OUT_OF_MEMORY;
    for (int64_t nth = 1; status == NBIT_STATUS_OUT_OF_MEMORY && nth < 100; ++nth) {
        nbit_memory_fail(nth);
        status = quantize();
        nbit_memory_fail(0);
        nbit_memory_count(&after, &blocks);
        EXPECT_EQ(after, before) << "after the failure of allocation " << nth;
    }
    EXPECT_EQ(status, NBIT_STATUS_OK);
}

using CudaStreams = CudaTest;

TEST_F(CudaStreams, OnTheDefaultStreamNothingHasToBeOrdered)
{
    ASSERT_EQ(nbit_context_set_stream(context(), nullptr), NBIT_STATUS_OK);
    auto *source = upload(random_numbers(Numbers::ordinary, 64, 1)), *absmax = upload(std::vector<float>(1));
    auto* packed = static_cast<uint8_t*>(upload(Bytes(32)));
    ASSERT_EQ(nbit_blocks4_quantize(context(), NBIT_QUANT_TYPE_NF4, float32, source, 64, 64, packed, absmax),
              NBIT_STATUS_OK)
        << last_error();
    for (const Recorded& recorded : calls())
        EXPECT_NE(recorded.call.function, "cudaEventRecord");
}

TEST_F(CudaStreams, WorkThatTheStreamHasGotBeforeIsDoneFirst)
{
    auto *source = upload(std::vector<float>(64)), *absmax = upload(std::vector<float>(1));
    auto* packed = static_cast<uint8_t*>(upload(Bytes(32)));
    device().enqueue(stream, [=] { std::fill_n(source, 64, 3.0f); });
    ASSERT_EQ(nbit_blocks4_quantize(context(), NBIT_QUANT_TYPE_NF4, float32, source, 64, 64, packed, absmax),
              NBIT_STATUS_OK)
        << last_error();
    EXPECT_TRUE(same_bytes(bytes_of(std::vector<float>{3}), download(absmax, 4)));
}

TEST(CudaContexts, OfADeviceThatIsNotThereNameThoseThatAre)
{
    class Here : public CudaTest
    {
        void TestBody() override {}
    } here;
    nbit_context* context = nullptr;
    EXPECT_EQ(nbit_context_create(NBIT_DEVICE_KIND_CUDA, 2, 1, &context), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(last_error(), "device_index is 2; there are 2 CUDA devices, 0 to 1");
    EXPECT_EQ(context, nullptr);
}

// Whoever adds an export that takes a context says here what a CUDA context does with it; the tests of this folder are
// the proof.
TEST(CudaContexts, EveryExportWithAContextHasItsPlace)
{
    const std::set<std::string> known = {
        // of the context itself
        "nbit_context_destroy", "nbit_context_set_stream", "nbit_context_set_threads", "nbit_context_get_threads",
        "nbit_codebook8_create", "nbit_codebook8_create_dynamic",
        // with kernels
        "nbit_blocks4_quantize", "nbit_blocks4_dequantize", "nbit_linear4_forward", "nbit_blocks8_quantize",
        "nbit_blocks8_dequantize", "nbit_absmax_quantize", "nbit_absmax_dequantize", "nbit_rows8_quantize",
        "nbit_int8_multiply", "nbit_int8_product_dequantize", "nbit_int8_multiply_dequantize", "nbit_linear8_forward",
        "nbit_optimizer_step", "nbit_values_cast", "nbit_amax_compute", "nbit_scale_compute",
        "nbit_amax_history_update", "nbit_float8_quantize", "nbit_mxfp8_quantize", "nbit_float8_block_quantize",
        "nbit_nvfp4_quantize", "nbit_scaled_dequantize", "nbit_scaled_multiply",
        // left to others
        "nbit_linear4_backward", "nbit_rows8_dequantize", "nbit_columns8_quantize", "nbit_linear8_backward",
        "nbit_hadamard_transform"};
    std::ifstream file(NBIT_HEADER);
    const std::string header{std::istreambuf_iterator<char>(file), {}};
    ASSERT_FALSE(header.empty());
    std::set<std::string> found;
    const std::regex declaration("NBIT_EXPORT int32_t (nbit_\\w+)\\(([^)]*nbit_context\\* [^)]*)\\)");
    for (std::sregex_iterator match(header.begin(), header.end(), declaration), end; match != end; ++match)
        found.insert((*match)[1]);
    EXPECT_EQ(found, known);
}

} // namespace
} // namespace nbit::test
