#include "abi.h"

#include <gtest/gtest.h>

#include <thread>

namespace
{

using nbit::test::last_error;

TEST(Context, GivesTheThreadsThatWereAskedFor)
{
    nbit_context* context = nullptr;
    ASSERT_EQ(nbit_context_create(NBIT_DEVICE_KIND_CPU, 0, 3, &context), NBIT_STATUS_OK);
    int32_t threads = 0;
    EXPECT_EQ(nbit_context_get_threads(context, &threads), NBIT_STATUS_OK);
    EXPECT_EQ(threads, 3);
    EXPECT_EQ(nbit_context_set_threads(context, 0), NBIT_STATUS_OK);
    EXPECT_EQ(nbit_context_get_threads(context, &threads), NBIT_STATUS_OK);
    EXPECT_GE(threads, 1);
    EXPECT_EQ(nbit_context_destroy(context), NBIT_STATUS_OK);
}

struct BadContext {
    const char* name;
    int32_t kind, index, threads;
    nbit_status status;
    const char* message;
};

class ContextErrors : public testing::TestWithParam<BadContext>
{
};

TEST_P(ContextErrors, NameTheArgumentAndWriteNothing)
{
    nbit_context* const untouched = reinterpret_cast<nbit_context*>(1);
    nbit_context* context = untouched;
    const BadContext& bad = GetParam();
    EXPECT_EQ(nbit_context_create(bad.kind, bad.index, bad.threads, &context), bad.status);
    EXPECT_EQ(context, untouched);
    EXPECT_NE(last_error().find(bad.message), std::string::npos) << last_error();
}

INSTANTIATE_TEST_SUITE_P(
    All, ContextErrors,
    testing::Values(BadContext{"UnknownKind", 7, 0, 1, NBIT_STATUS_INVALID_ARGUMENT, "device_kind is 7"},
                    BadContext{"SecondCpu", 0, 1, 1, NBIT_STATUS_INVALID_ARGUMENT, "device_index is 1"},
                    BadContext{"NegativeThreads", 0, 0, -1, NBIT_STATUS_INVALID_ARGUMENT, "threads is -1"},
                    BadContext{"TooManyThreads", 0, 0, 1025, NBIT_STATUS_INVALID_ARGUMENT, "threads is 1025"},
                    BadContext{"Cuda", 1, 0, 1, NBIT_STATUS_NOT_SUPPORTED, "CUDA"}),
    [](const auto& test) { return test.param.name; });

TEST(Context, NullOutPointerIsAnError)
{
    EXPECT_EQ(nbit_context_create(NBIT_DEVICE_KIND_CPU, 0, 1, nullptr), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_NE(last_error().find("context is null"), std::string::npos);
}

TEST(Context, DestroyingNullDoesNothing) { EXPECT_EQ(nbit_context_destroy(nullptr), NBIT_STATUS_OK); }

TEST(Context, ACpuContextHasNoStream)
{
    nbit_context* context = nullptr;
    ASSERT_EQ(nbit_context_create(NBIT_DEVICE_KIND_CPU, 0, 1, &context), NBIT_STATUS_OK);
    int dummy = 0;
    EXPECT_EQ(nbit_context_set_stream(context, nullptr), NBIT_STATUS_OK);
    EXPECT_EQ(nbit_context_set_stream(context, &dummy), NBIT_STATUS_INVALID_ARGUMENT);
    nbit_context_destroy(context);
}

TEST(ErrorMessage, BelongsToTheThreadThatFailed)
{
    EXPECT_EQ(nbit_context_create(9, 0, 1, nullptr), NBIT_STATUS_INVALID_ARGUMENT);
    const std::string here = last_error();
    std::string there;
    std::thread([&] { there = last_error(); }).join();
    EXPECT_FALSE(here.empty());
    EXPECT_TRUE(there.empty());
}

TEST(Memory, IsBackToZeroAfterAContext)
{
    int64_t bytes = -1, blocks = -1, during = -1;
    nbit_context* context = nullptr;
    ASSERT_EQ(nbit_memory_count(&bytes, &blocks), NBIT_STATUS_OK);
    const int64_t before = bytes;
    ASSERT_EQ(nbit_context_create(NBIT_DEVICE_KIND_CPU, 0, 1, &context), NBIT_STATUS_OK);
    ASSERT_EQ(nbit_memory_count(&during, &blocks), NBIT_STATUS_OK);
    EXPECT_GT(during, before);
    nbit_context_destroy(context);
    ASSERT_EQ(nbit_memory_count(&bytes, &blocks), NBIT_STATUS_OK);
    EXPECT_EQ(bytes, before);
}

TEST(Memory, AFailedAllocationIsAStatus)
{
    nbit_context* context = nullptr;
    ASSERT_EQ(nbit_memory_fail(1), NBIT_STATUS_OK);
    EXPECT_EQ(nbit_context_create(NBIT_DEVICE_KIND_CPU, 0, 1, &context), NBIT_STATUS_OUT_OF_MEMORY);
    EXPECT_EQ(context, nullptr);
    EXPECT_NE(last_error().find("out of memory"), std::string::npos);
    EXPECT_EQ(nbit_context_create(NBIT_DEVICE_KIND_CPU, 0, 1, &context), NBIT_STATUS_OK); // only one fails
    nbit_context_destroy(context);
}

} // namespace
