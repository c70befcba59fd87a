#include "hardening/trial.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>

namespace
{

using namespace nbit::test;

constexpr int thread_count = 8;

enum class Contexts { shared, separate };

class EightThreads : public testing::TestWithParam<Contexts>
{
};

// Trials and what they gave on one thread.
struct Expectation {
    std::vector<uint8_t> bytes;
    std::unique_ptr<Trial> trial;
    int32_t status;
    Arguments::Results results;
};

std::vector<Expectation> expectations(uint64_t seed)
{
    std::vector<Expectation> all;
    for (const ExportCall& call : export_calls()) {
        if (call.reach == Reach::process) continue;
        Expectation e;
        e.bytes = random_bytes(++seed, 192);
        const Sizes sizes = seed % 4 ? Sizes::small : Sizes::large;
        e.trial = std::make_unique<Trial>(call, e.bytes, seed % 8 == 1 ? Faults::some : Faults::none, sizes);
        e.status = e.trial->run(context_of_one_thread());
        e.results = e.trial->results();
        all.push_back(std::move(e));
    }
    return all;
}

// Native memory is the process's, so that calls beside others cannot be told what they keep: what all of them kept is
// seen at the end.
TEST_P(EightThreads, GiveWhatOneThreadGives)
{
    int64_t before = 0, after = 0, blocks = 0;
    std::mutex lock;
    std::vector<std::string> wrong;
    std::vector<std::vector<Expectation>> work;
    for (uint64_t thread = 0; thread < thread_count; ++thread)
        work.push_back(expectations(1000 * thread));
    const Context shared = cpu_context(3);
    nbit_memory_count(&before, &blocks);
    std::vector<std::thread> threads;
    for (int thread = 0; thread < thread_count; ++thread)
        threads.emplace_back([&, thread] {
            const Context own = cpu_context(3);
            nbit_context* const context = GetParam() == Contexts::shared ? shared.get() : own.get();
            for (Expectation& e : work[static_cast<size_t>(thread)]) {
                const int32_t status = e.trial->run(context);
                std::string difference = status != e.status ? "gives another status" : e.trial->misuse();
                if (difference.empty() && status == NBIT_STATUS_OK) difference = e.trial->difference(e.results);
                if (difference.empty()) continue;
                const std::lock_guard guard(lock);
                wrong.push_back(std::string(e.trial->of().name) + " " + difference);
            }
        });
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_EQ(wrong, std::vector<std::string>());
    nbit_memory_count(&after, &blocks);
    EXPECT_EQ(after, before);
}

INSTANTIATE_TEST_SUITE_P(With, EightThreads, testing::Values(Contexts::shared, Contexts::separate),
                         [](const auto& test) {
                             return test.param == Contexts::shared ? "OneContext" : "ContextsOfTheirOwn";
                         });

} // namespace
