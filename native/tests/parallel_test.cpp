#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace
{

struct Case {
    int32_t threads;
    int64_t count, grain;
};

class ParallelFor : public testing::TestWithParam<Case>
{
};

void expect_each_once(const Case& c)
{
    std::vector<std::atomic<int>> seen(static_cast<size_t>(c.count));
    std::atomic<int64_t> odd_starts{0};
    nbit::parallel_for(c.threads, c.count, c.grain, [&](int64_t begin, int64_t end) noexcept {
        if (begin % c.grain != 0) ++odd_starts;
        for (int64_t i = begin; i < end; ++i)
            ++seen[static_cast<size_t>(i)];
    });
    EXPECT_EQ(odd_starts, 0);
    for (const auto& n : seen)
        ASSERT_EQ(n, 1);
}

TEST_P(ParallelFor, VisitsEachElementOnceInWholeGrains) { expect_each_once(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Shapes, ParallelFor,
                         testing::Values(Case{1, 100, 7}, Case{2, 0, 64}, Case{2, 1, 64}, Case{2, 64, 64},
                                         Case{2, 65, 64}, Case{8, 1000, 64}, Case{8, 100000, 1}, Case{64, 999, 10}));

TEST(ParallelFor, ALoopInsideALoopRuns)
{
    std::atomic<int64_t> sum{0};
    nbit::parallel_for(4, 16, 1, [&](int64_t begin, int64_t end) noexcept {
        for (int64_t i = begin; i < end; ++i)
            nbit::parallel_for(4, 10, 1, [&](int64_t b, int64_t e) noexcept { sum += e - b; });
    });
    EXPECT_EQ(sum, 160);
}

TEST(ParallelFor, ManyCallersAtOnceEachGetTheirLoop)
{
    std::vector<std::thread> callers;
    for (int t = 0; t < 8; ++t)
        callers.emplace_back([] {
            for (int i = 0; i < 200; ++i)
                expect_each_once({4, 1000, 16});
        });
    for (auto& caller : callers)
        caller.join();
}

std::atomic<int> backend_calls{0};

TEST(ParallelFor, AnotherPoolTakesOverAndGivesBack)
{
    nbit::set_parallel_backend(
        [](int64_t begin, int64_t end, int64_t, void (*body)(int64_t, int64_t, void*), void* state) {
            ++backend_calls;
            for (int64_t i = begin; i < end; ++i)
                body(i, i + 1, state);
            return 0;
        });
    expect_each_once({4, 1000, 16});
    nbit::set_parallel_backend(nullptr);
    EXPECT_EQ(backend_calls, 1);
    expect_each_once({4, 1000, 16});
    EXPECT_EQ(backend_calls, 1);
}

} // namespace
