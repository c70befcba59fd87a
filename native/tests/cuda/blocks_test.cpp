#include "cpu/codebook8.h"
#include "cuda_fixture.h"

#include <algorithm>

namespace nbit::test
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32;

std::string suffix_of(int32_t type)
{
    return type == NBIT_DATA_TYPE_FLOAT16 ? "fp16" : type == NBIT_DATA_TYPE_BFLOAT16 ? "bf16" : "fp32";
}

Bytes floats(int64_t count) { return Bytes(static_cast<size_t>(count) * sizeof(float), 0xee); }
Bytes bytes(int64_t count) { return Bytes(static_cast<size_t>(count), 0xee); }
int64_t blocks_of(int64_t count, int64_t blocksize) { return (count + blocksize - 1) / blocksize; }

class CudaBlocks : public CudaTest, public testing::WithParamInterface<int32_t>
{
protected:
    Codebook book(nbit_context* of) const { return dynamic_codebook(of, true); }
};

// Blocks of every kind that the kernels of bitsandbytes quantize otherwise than NBit, between ordinary ones.
std::vector<float> with_special_blocks(int64_t blocksize, int64_t count)
{
    constexpr float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> x = random_numbers(Numbers::ordinary, count, 3);
    const auto set = [&](int64_t block, auto value) {
        for (int64_t i = block * blocksize; i < std::min((block + 1) * blocksize, count); ++i)
            x[static_cast<size_t>(i)] = value(x[static_cast<size_t>(i)]);
    };
    const auto at = [&](int64_t block, int64_t i) -> float& { return x[static_cast<size_t>(block * blocksize + i)]; };
    set(1, [](float) { return 0.0f; });
    set(2, [](float) { return 0.0f; });
    at(4, 5) = nan;
    set(6, [](float) { return 0.0f; });
    at(6, 7) = nan;
    at(8, 3) = infinity;
    at(8, 9) = -infinity;
    set(10, [](float y) { return y * 1e-40f; });
    set(12, [](float y) { return y * 1e38f; });
    set(blocks_of(count, blocksize) - 1, [](float) { return -0.0f; });
    return x;
}

TEST_P(CudaBlocks, Quantize4GivesTheBytesOfTheCpu)
{
    for (const int32_t quant_type : {NBIT_QUANT_TYPE_FP4, NBIT_QUANT_TYPE_NF4})
        for (const int64_t blocksize : {32, 64, 256, 4096}) {
            const int64_t count = 17 * blocksize + 31;
            const std::vector<Bytes> memory = {rounded(GetParam(), with_special_blocks(blocksize, count)),
                                               bytes((count + 1) / 2), floats(blocks_of(count, blocksize))};
            expect_same_as_on_cpu(memory, [&](nbit_context* on, const Addresses& a) {
                return nbit_blocks4_quantize(on, quant_type, GetParam(), a[0], count, blocksize,
                                             static_cast<uint8_t*>(a[1]), static_cast<float*>(a[2]));
            });
        }
}

TEST_P(CudaBlocks, Quantize4PassesItsArgumentsOnTheDefaultStream)
{
    constexpr int64_t count = 4 * 128 + 5, blocksize = 128;
    const void* source = upload(rounded(GetParam(), random_numbers(Numbers::ordinary, count, 1)));
    auto* packed = static_cast<uint8_t*>(upload(bytes((count + 1) / 2)));
    auto* absmax = static_cast<float*>(upload(floats(5)));
    ASSERT_EQ(
        nbit_blocks4_quantize(context(), NBIT_QUANT_TYPE_FP4, GetParam(), source, count, blocksize, packed, absmax),
        NBIT_STATUS_OK)
        << last_error();
    expect_arguments(call_of("cquantize_blockwise_" + suffix_of(GetParam()) + "_fp4"), {{"code", 0},
                                                                                        {"A", bits(source)},
                                                                                        {"absmax", bits(absmax)},
                                                                                        {"out", bits(packed)},
                                                                                        {"blocksize", blocksize},
                                                                                        {"n", count}});
}

TEST_P(CudaBlocks, Dequantize4GivesTheBytesOfTheCpu)
{
    constexpr int64_t count = 70000 * 32 + 17, blocksize = 32; // more blocks than one addition of the offset takes
    const int64_t blocks = blocks_of(count, blocksize);
    std::vector<float> offset = {0.25f};
    const std::vector<float> book_values(dynamic_map(true), dynamic_map(true) + 256);
    const std::vector<Bytes> memory = {bytes_of(random_codes((count + 1) / 2, 1)),
                                       bytes_of(random_numbers(Numbers::ordinary, blocks, 2)),
                                       bytes_of(random_codes(blocks, 3)),
                                       bytes_of(book_values),
                                       bytes_of(offset),
                                       bytes(count * data_type_size(GetParam()))};
    for (const bool is_nested : {false, true})
        expect_same_as_on_cpu(memory, [&](nbit_context* on, const Addresses& a) {
            return nbit_blocks4_dequantize(
                on, NBIT_QUANT_TYPE_NF4, static_cast<uint8_t*>(a[0]), static_cast<float*>(a[1]),
                is_nested ? static_cast<uint8_t*>(a[2]) : nullptr, is_nested ? static_cast<float*>(a[3]) : nullptr,
                is_nested ? static_cast<float*>(a[4]) : nullptr, count, blocksize, GetParam(), a[5]);
        });
}

TEST_P(CudaBlocks, Dequantize4PassesItsArguments)
{
    constexpr int64_t count = 300, blocksize = 64;
    auto* packed = static_cast<uint8_t*>(upload(bytes(150)));
    auto* absmax = upload(random_numbers(Numbers::ordinary, 5, 1));
    void* target = upload(bytes(count * data_type_size(GetParam())));
    ASSERT_EQ(nbit_blocks4_dequantize(context(), NBIT_QUANT_TYPE_NF4, packed, absmax, nullptr, nullptr, nullptr, count,
                                      blocksize, GetParam(), target),
              NBIT_STATUS_OK)
        << last_error();
    expect_arguments(call_of("cdequantize_blockwise_" + suffix_of(GetParam()) + "_nf4"), {{"code", 0},
                                                                                          {"A", bits(packed)},
                                                                                          {"absmax", bits(absmax)},
                                                                                          {"out", bits(target)},
                                                                                          {"blocksize", blocksize},
                                                                                          {"n", count},
                                                                                          {"stream", bits(stream)}});
    ASSERT_EQ(kernel_calls().size(), 1u);
}

TEST_P(CudaBlocks, Quantize8AndDequantize8GiveTheBytesOfTheCpu)
{
    const Codebook of_device = book(context());
    for (const int64_t blocksize : {64, 256, 4096}) {
        const int64_t count = 17 * blocksize + 31;
        const std::vector<Bytes> memory = {rounded(GetParam(), with_special_blocks(blocksize, count)), bytes(count),
                                           floats(blocks_of(count, blocksize)),
                                           bytes(count * data_type_size(GetParam()))};
        expect_same_as_on_cpu(memory, [&](nbit_context* on, const Addresses& a) {
            auto* codes = static_cast<uint8_t*>(a[1]);
            auto* absmax = static_cast<float*>(a[2]);
            const int32_t status =
                nbit_blocks8_quantize(on, of_device.get(), GetParam(), a[0], count, blocksize, codes, absmax);
            return status ? status
                          : nbit_blocks8_dequantize(on, of_device.get(), codes, absmax, count, blocksize, GetParam(),
                                                    a[3]);
        });
    }
}

TEST_P(CudaBlocks, Quantize8PassesItsArgumentsAndLeavesOrdinaryBlocksToTheDevice)
{
    constexpr int64_t count = 4 * 128 + 5, blocksize = 128;
    std::vector<float> values = random_numbers(Numbers::ordinary, 256, 2);
    std::sort(values.begin(), values.end());
    const Codebook of_device = codebook_of(context(), values.data());
    const void* source = upload(rounded(GetParam(), random_numbers(Numbers::ordinary, count, 1)));
    auto* codes = static_cast<uint8_t*>(upload(bytes(count)));
    auto* absmax = static_cast<float*>(upload(floats(5)));
    ASSERT_EQ(nbit_blocks8_quantize(context(), of_device.get(), GetParam(), source, count, blocksize, codes, absmax),
              NBIT_STATUS_OK)
        << last_error();
    const fake::Call first = kernel_calls().front();
    EXPECT_EQ(first.function, "cquantize_blockwise_" + suffix_of(GetParam()));
    expect_arguments(first, {{"code", first.bits_of("code")},
                             {"A", bits(source)},
                             {"absmax", bits(absmax)},
                             {"out", bits(codes)},
                             {"blocksize", blocksize},
                             {"n", count}});
    EXPECT_TRUE(same_bytes(bytes_of(values), download(first.pointer("code"), 1024)));
    for (const Recorded& recorded : calls()) {
        if (recorded.call.function == "cudaMemcpyAsync") {
            EXPECT_NE(recorded.call.pointer("source"), source);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Types, CudaBlocks, testing::Values(float32, NBIT_DATA_TYPE_FLOAT16, NBIT_DATA_TYPE_BFLOAT16),
                         [](const auto& test) { return suffix_of(test.param); });

using CudaPieces = CudaTest;

TEST_F(CudaPieces, OfALongTensorAreAllSearchedForSpecialBlocks)
{
    constexpr int64_t count = (4 << 20) + 200, blocksize = 4096;
    std::vector<float> x(static_cast<size_t>(count), 1.0f);
    x[5] = x[x.size() - 1] = std::numeric_limits<float>::quiet_NaN();
    const std::vector<Bytes> memory = {rounded(NBIT_DATA_TYPE_BFLOAT16, x), bytes(count / 2),
                                       floats(blocks_of(count, blocksize))};
    expect_same_as_on_cpu(memory, [&](nbit_context* on, const Addresses& a) {
        return nbit_blocks4_quantize(on, NBIT_QUANT_TYPE_NF4, NBIT_DATA_TYPE_BFLOAT16, a[0], count, blocksize,
                                     static_cast<uint8_t*>(a[1]), static_cast<float*>(a[2]));
    });
}

using CudaSpecialBlocks = CudaTest;

TEST_F(CudaSpecialBlocks, AreSearchedByTheLibrarysOwnKernelsOnTheDefaultStream)
{
    constexpr int64_t count = 300, blocksize = 128;
    auto* source = upload(random_numbers(Numbers::ordinary, count, 1));
    auto* packed = static_cast<uint8_t*>(upload(bytes(count / 2)));
    auto* absmax = static_cast<float*>(upload(floats(3)));
    ASSERT_EQ(nbit_blocks4_quantize(context(), NBIT_QUANT_TYPE_FP4, float32, source, count, blocksize, packed, absmax),
              NBIT_STATUS_OK)
        << last_error();
    const std::vector<fake::Call> all = kernel_calls();
    ASSERT_EQ(all.size(), 4u); // after the quantization itself
    const fake::Call &search = all[1], &mark = all[2], &largest = all[3];
    const auto* map = search.pointer<float>("code");
    EXPECT_EQ(search.function, "cquantize_blockwise_fp32");
    EXPECT_LT(map[0], -3); // no quotient, which are from -1 to 1, is nearest to it
    EXPECT_EQ(map[1], -1);
    EXPECT_EQ(map[255], 1);
    EXPECT_EQ(search.pointer("A"), source);
    EXPECT_NE(search.pointer("absmax"), absmax);
    EXPECT_EQ(search.integer("blocksize"), blocksize);
    EXPECT_EQ(search.integer("n"), count);
    EXPECT_EQ(mark.function, "cdequantize_blockwise_fp32");
    EXPECT_EQ(mark.pointer<float>("code")[0], 1);
    EXPECT_EQ(mark.pointer<float>("code")[1], 0);
    EXPECT_EQ(mark.pointer("A"), search.pointer("out"));
    EXPECT_EQ(mark.pointer<float>("absmax")[0], 1);
    EXPECT_EQ(mark.integer("n"), count);
    EXPECT_EQ(mark.pointer("stream"), nullptr);
    EXPECT_EQ(largest.function, "cquantize_blockwise_fp32_nf4");
    EXPECT_EQ(largest.pointer("A"), mark.pointer("out"));
    EXPECT_EQ(largest.integer("blocksize"), blocksize);
    EXPECT_EQ(largest.integer("n"), count);
}

using CudaAbsmax = CudaTest;

TEST_F(CudaAbsmax, IsQuantizedAndRestoredAsOnTheCpu)
{
    constexpr int64_t count = 3 * 256 + 7;
    const Codebook book = dynamic_codebook(context(), true);
    std::vector<float> absmax = random_numbers(Numbers::ordinary, count, 1), given = {0.125f};
    std::fill_n(absmax.begin(), 256, 0.5f); // a block of one number, whose differences may be zero
    const std::vector<float> book_values(dynamic_map(true), dynamic_map(true) + 256);
    const std::vector<Bytes> memory = {bytes_of(absmax), bytes_of(given),       bytes(count), floats(4),
                                       floats(1),        bytes_of(book_values), floats(count)};
    for (const bool is_given : {false, true})
        expect_same_as_on_cpu(memory, [&](nbit_context* on, const Addresses& a) {
            const auto number = [&](size_t i) { return static_cast<float*>(a[i]); };
            auto* codes = static_cast<uint8_t*>(a[2]);
            const int32_t status = nbit_absmax_quantize(on, book.get(), number(0), count, 256,
                                                        is_given ? number(1) : nullptr, codes, number(3), number(4));
            return status ? status
                          : nbit_absmax_dequantize(on, number(5), codes, number(3), number(4), count, 256, number(6));
        });
}

TEST_F(CudaAbsmax, OfNothingHasTheOffsetZero)
{
    const Codebook book = dynamic_codebook(context(), true);
    auto* offset = upload(std::vector<float>{7});
    ASSERT_EQ(nbit_absmax_quantize(context(), book.get(), nullptr, 0, 256, nullptr, nullptr, nullptr, offset),
              NBIT_STATUS_OK)
        << last_error();
    EXPECT_TRUE(same_bytes(bytes_of(std::vector<float>{0}), download(offset, sizeof(float))));
}

TEST_F(CudaAbsmax, IsRestoredByADequantizationAndAnAdditionOnTheStream)
{
    auto* book = upload(random_numbers(Numbers::ordinary, 256, 1));
    auto* codes = static_cast<uint8_t*>(upload(bytes_of(random_codes(300, 2))));
    auto *nested = upload(std::vector<float>{1, 2}), *offset = upload(std::vector<float>{3});
    auto* absmax = upload(std::vector<float>(300));
    ASSERT_EQ(nbit_absmax_dequantize(context(), book, codes, nested, offset, 300, 256, absmax), NBIT_STATUS_OK)
        << last_error();
    expect_arguments(call_of("cdequantize_blockwise_fp32"), {{"code", bits(book)},
                                                             {"A", bits(codes)},
                                                             {"absmax", bits(nested)},
                                                             {"out", bits(absmax)},
                                                             {"blocksize", 256},
                                                             {"n", 300},
                                                             {"stream", bits(stream)}});
    const fake::Call& addition = call_of("cublasSaxpy_v2");
    expect_arguments(addition, {{"handle", addition.bits_of("handle")},
                                {"n", 300},
                                {"alpha", bits(offset)},
                                {"x", addition.bits_of("x")},
                                {"incx", 1},
                                {"y", bits(absmax)},
                                {"incy", 1}});
    EXPECT_EQ(call_of("cublasSetStream_v2").pointer("stream"), stream);
}

using CudaBlockRefusals = CudaTest;

TEST_F(CudaBlockRefusals, OfAnotherBlocksizeNameWhatTheKernelsHave)
{
    const Codebook book = dynamic_codebook(context(), true);
    expect_refused(
        {bytes(400), bytes(100), floats(100)},
        [&](nbit_context* on, const Addresses& a) {
            return nbit_blocks8_quantize(on, book.get(), float32, a[0], 100, 32, static_cast<uint8_t*>(a[1]),
                                         static_cast<float*>(a[2]));
        },
        "blocksize is 32");
}

TEST_F(CudaBlockRefusals, OfMoreElementsThan32BitsCountNameTheLimit)
{
    constexpr int64_t count = INT32_MAX;
    expect_refused(
        {bytes(1), bytes(1), floats(1)},
        [&](nbit_context* on, const Addresses& a) {
            auto* far = reinterpret_cast<uint8_t*>(int64_t{1} << 46);
            return nbit_blocks4_quantize(on, NBIT_QUANT_TYPE_NF4, float32, a[0], count, 64, far,
                                         reinterpret_cast<float*>(far + count));
        },
        "count is 2147483647");
}

TEST_F(CudaBlockRefusals, MemoryOfTheHostAndOfAnotherDeviceIsAnInvalidArgument)
{
    std::vector<float> host(64);
    auto* packed = static_cast<uint8_t*>(upload(bytes(32)));
    auto* absmax = static_cast<float*>(upload(floats(1)));
    const auto quantize = [&](const void* source) {
        return nbit_blocks4_quantize(context(), NBIT_QUANT_TYPE_NF4, float32, source, 64, 64, packed, absmax);
    };
    EXPECT_EQ(quantize(host.data()), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_NE(last_error().find("source is in memory of the host"), std::string::npos) << last_error();
    void* other = device().allocate(256, 0);
    EXPECT_EQ(quantize(other), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_NE(last_error().find("source is in memory of CUDA device 0"), std::string::npos) << last_error();
    device().free(other);
    EXPECT_TRUE(kernel_calls().empty());
}

TEST_F(CudaBlockRefusals, ABookOfTheCpuIsAnInvalidArgument)
{
    const Context cpu = cpu_context(1);
    const Codebook book = dynamic_codebook(cpu.get(), true);
    auto* memory = static_cast<uint8_t*>(upload(bytes(64)));
    EXPECT_EQ(nbit_blocks8_dequantize(context(), book.get(), memory, upload(std::vector<float>(1)), 64, 64, float32,
                                      upload(std::vector<float>(64))),
              NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_NE(last_error().find("book was made for the CPU"), std::string::npos) << last_error();
}

} // namespace
} // namespace nbit::test
