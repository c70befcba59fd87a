#include "hardening/trial.h"

#include <gtest/gtest.h>

namespace
{

using namespace nbit::test;

constexpr int parts = 4;
constexpr uint64_t calls_in_part = 10'000;
constexpr size_t bytes_of_call = 192; // more than any call chooses by

class RandomCalls : public testing::TestWithParam<int>
{
};

// The first bytes choose the export and its faults; hardening/fuzz.cpp runs the same with bytes of a fuzzer.
TEST_P(RandomCalls, KeepTheirPromises)
{
    for (uint64_t i = 0; i < calls_in_part; ++i) {
        const uint64_t seed = static_cast<uint64_t>(GetParam()) * calls_in_part + i;
        ASSERT_EQ(run_trial(random_bytes(seed, bytes_of_call)), "") << "seed " << seed;
    }
}

INSTANTIATE_TEST_SUITE_P(Parts, RandomCalls, testing::Range(0, parts));

class LargeCalls : public testing::TestWithParam<ExportCall>
{
};

TEST_P(LargeCalls, KeepTheirPromisesOnSeveralThreads)
{
    for (uint64_t seed = 0; seed < 3; ++seed) {
        const auto bytes = random_bytes(seed, bytes_of_call);
        ASSERT_EQ(Trial(GetParam(), bytes, Faults::none, Sizes::large).run_everywhere(), "") << "seed " << seed;
    }
}

INSTANTIATE_TEST_SUITE_P(Exports, LargeCalls, testing::ValuesIn(export_calls()),
                         [](const auto& test) { return std::string(test.param.name); });

// What the exports do with arguments that hold nothing but what is first among the choices.
TEST(RandomCalls, AreMadeOfAnyNumberOfBytes)
{
    for (uint64_t seed = 0; seed < 500; ++seed)
        ASSERT_EQ(run_trial(random_bytes(seed, seed % 40)), "") << "seed " << seed;
}

} // namespace
