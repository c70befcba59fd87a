#include "hardening/trial.h"

#include <gtest/gtest.h>

namespace
{

using namespace nbit::test;

class LackOfMemory : public testing::TestWithParam<ExportCall>
{
};

// Makes the first allocation of a call fail, then the second one, and so on until there is none that fails; gives back
// how many there were.
int64_t fail_each_allocation(Trial& trial, nbit_context* context)
{
    for (int64_t failing = 1;; ++failing) {
        nbit_memory_fail(failing);
        const int32_t status = trial.run(context);
        nbit_memory_fail(0);
        EXPECT_EQ(trial.broken_promise(), "") << "allocation " << failing;
        if (status == NBIT_STATUS_OK || testing::Test::HasFailure()) return failing - 1;
        EXPECT_EQ(status, NBIT_STATUS_OUT_OF_MEMORY) << "allocation " << failing;
        EXPECT_EQ(trial.run(context), NBIT_STATUS_OK) << "after allocation " << failing;
    }
}

TEST_P(LackOfMemory, IsAStatusAndChangesNothing)
{
    int64_t most = 0, all = 0;
    for (uint64_t seed = 0; seed < 24 && !HasFailure(); ++seed) {
        const auto bytes = random_bytes(seed, 192);
        Trial trial(GetParam(), bytes, Faults::none, seed < 22 ? Sizes::small : Sizes::large);
        const int64_t failed = fail_each_allocation(trial, context_of_several_threads());
        most = std::max(most, failed);
        all += failed;
    }
    RecordProperty("most_allocations_of_a_call", std::to_string(most));
    std::printf("%s: at most %lld allocations a call, %lld failed in all\n", GetParam().name,
                static_cast<long long>(most), static_cast<long long>(all));
    const bool makes_something = std::string(GetParam().name).ends_with("_create");
    EXPECT_GE(most, makes_something ? 1 : 0);
}

// nbit_memory_fail itself would end what the test began.
std::vector<ExportCall> calls_that_may_lack_memory()
{
    std::vector<ExportCall> calls = export_calls();
    std::erase_if(calls, [](const ExportCall& call) { return std::string(call.name) == "nbit_memory_fail"; });
    return calls;
}

INSTANTIATE_TEST_SUITE_P(Exports, LackOfMemory, testing::ValuesIn(calls_that_may_lack_memory()),
                         [](const auto& test) { return std::string(test.param.name); });

} // namespace
