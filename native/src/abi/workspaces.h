// Memory that a call needs while it runs: had before anything is written, given back at its end.
#pragma once
#include "base/memory.h"

#include <atomic>
#include <cstdint>

namespace nbit
{

// Bytes that begin a cache line, without a value.
class Scratch final
{
public:
    explicit Scratch(int64_t bytes)
        : bytes_(static_cast<size_t>(bytes)), memory_(bytes_ > 0 ? allocate(bytes_) : nullptr)
    {
    }
    ~Scratch() { deallocate(memory_, bytes_); }
    Scratch(const Scratch&) = delete;

    void* get() const { return memory_; }

private:
    size_t bytes_;
    void* memory_;
};

// One piece of memory for each thread of a loop.
class Workspaces final
{
public:
    Workspaces(int32_t threads, int64_t bytes)
        : threads_(threads), stride_((bytes + line - 1) / line * line + line), memory_(threads * stride_)
    {
        for (int32_t i = 0; i < threads; ++i)
            new (address(i)) std::atomic_flag();
    }

    // The memory of one thread for as long as it lives. A loop runs on no more threads than there are pieces, so one is
    // always free.
    class Lease final
    {
    public:
        explicit Lease(const Workspaces& all) noexcept
        {
            for (int32_t i = 0;; i = (i + 1) % all.threads_) {
                taken_ = static_cast<std::atomic_flag*>(all.address(i));
                if (!taken_->test_and_set(std::memory_order_acquire)) return;
            }
        }
        ~Lease() { taken_->clear(std::memory_order_release); }
        Lease(const Lease&) = delete;

        void* get() const { return reinterpret_cast<char*>(taken_) + line; }

    private:
        std::atomic_flag* taken_;
    };

private:
    // The first line of a piece says whether it is taken.
    static constexpr int64_t line = 64;
    void* address(int32_t i) const { return static_cast<char*>(memory_.get()) + i * stride_; }

    int32_t threads_;
    int64_t stride_;
    Scratch memory_;
};

} // namespace nbit
