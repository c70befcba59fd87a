#include "hardening/trial.h"

#include <gtest/gtest.h>

namespace
{

using namespace nbit::test;

int64_t native_bytes()
{
    int64_t bytes = 0, blocks = 0;
    EXPECT_EQ(nbit_memory_count(&bytes, &blocks), NBIT_STATUS_OK);
    return bytes;
}

// Each trial proves it for its own call; this is about what adds up over many, failures among them.
TEST(ManyCalls, LeaveNativeMemoryAsItWas)
{
    constexpr uint64_t calls = 100'000;
    nbit_context* const context = context_of_several_threads();
    const auto& exports = export_calls();
    const auto call = [&](uint64_t seed) {
        const auto bytes = random_bytes(seed, 192);
        Trial trial(exports[seed % exports.size()], bytes, seed % 2 ? Faults::some : Faults::none, Sizes::small);
        const int32_t status = trial.run(context);
        EXPECT_EQ(trial.broken_promise(), "") << exports[seed % exports.size()].name << ", seed " << seed;
        return status;
    };
    for (uint64_t seed = 0; seed < 2 * exports.size(); ++seed) // whatever is made once is made now
        call(seed);
    const int64_t before = native_bytes();
    int64_t failed = 0;
    for (uint64_t seed = 0; seed < calls && !HasFailure(); ++seed)
        failed += call(seed) != NBIT_STATUS_OK;
    EXPECT_EQ(native_bytes(), before);
    EXPECT_GT(failed, 0);
    std::printf("%llu calls, of which %lld failed\n", static_cast<unsigned long long>(calls),
                static_cast<long long>(failed));
}

} // namespace
