// Memory for the threads of a loop.
#pragma once
#include "base/memory.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>

namespace nbit
{

// As many pieces of memory as threads work at once, had before they begin: after that nothing may fail.
class Workspaces
{
public:
    Workspaces(int32_t threads, int64_t bytes)
        : count_(threads), bytes_((bytes + line - 1) / line * line), taken_(threads), memory_(threads * bytes_)
    {
        std::fill_n(taken_.data(), count_, 0);
    }

    // Holds one piece, which begins a cache line.
    class Lease
    {
    public:
        explicit Lease(const Workspaces& spaces) noexcept : spaces_(spaces), index_(spaces.take()) {}
        ~Lease() { spaces_.taken(index_).store(0, std::memory_order_release); }
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;

        std::byte* data() const noexcept { return spaces_.memory_.data() + index_ * spaces_.bytes_; }

    private:
        const Workspaces& spaces_;
        int32_t index_;
    };

private:
    static constexpr int64_t line = 64;

    std::atomic_ref<int32_t> taken(int32_t index) const noexcept
    {
        return std::atomic_ref<int32_t>(taken_.data()[index]);
    }
    // Waits where a thread pool runs more threads than it was asked for.
    int32_t take() const noexcept
    {
        for (;; std::this_thread::yield())
            for (int32_t i = 0; i < count_; ++i)
                if (taken(i).exchange(1, std::memory_order_acquire) == 0) return i;
    }

    int32_t count_;
    int64_t bytes_;
    Scratch<int32_t> taken_;
    Scratch<std::byte> memory_;
};

} // namespace nbit
