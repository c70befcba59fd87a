#include "base/memory.h"
#include "base/platform.h"

#include <atomic>

namespace nbit
{
namespace
{

constexpr size_t alignment = 64;
std::atomic<int64_t> live_bytes{0}, live_blocks{0}, until_failure{0};

bool must_fail() noexcept
{
    // One load where no test is running; the counter passes 1 exactly once, whatever the number of threads.
    return until_failure.load(std::memory_order_relaxed) > 0 && until_failure.fetch_sub(1) == 1;
}

} // namespace

void* allocate(size_t bytes)
{
    if (bytes > SIZE_MAX - alignment || must_fail()) throw std::bad_alloc();
    void* memory = platform::allocate_aligned(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (!memory) throw std::bad_alloc();
    live_bytes.fetch_add(static_cast<int64_t>(bytes), std::memory_order_relaxed);
    live_blocks.fetch_add(1, std::memory_order_relaxed);
    return memory;
}

void deallocate(void* memory, size_t bytes) noexcept
{
    if (!memory) return;
    live_bytes.fetch_sub(static_cast<int64_t>(bytes), std::memory_order_relaxed);
    live_blocks.fetch_sub(1, std::memory_order_relaxed);
    platform::free_aligned(memory);
}

MemoryCount memory_count() noexcept { return {live_bytes.load(), live_blocks.load()}; }

void fail_allocation(int64_t which) noexcept { until_failure.store(which < 0 ? 0 : which); }

} // namespace nbit
