#include "base/thread_pool.h"
#include "base/error.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace nbit
{
namespace
{

std::atomic<nbit_parallel_for> backend{nullptr};

// A loop that is being run: workers and the caller take pieces until none is left.
struct Loop {
    RangeBody body;
    int64_t count, piece;
    std::atomic<int64_t> next{0};

    void run() noexcept
    {
        for (int64_t begin; (begin = next.fetch_add(piece)) < count;)
            body(begin, std::min(count, begin + piece));
    }
};

// Threads are made when a loop first needs them and live as long as the process. One loop runs at a time: a second
// caller, and a loop inside a loop, run on their own thread alone.
class ThreadPool
{
public:
    void run(Loop& loop, int32_t threads)
    {
        if (inside_) return loop.run();
        const std::unique_lock<std::mutex> turn(turn_, std::try_to_lock);
        if (!turn) return loop.run();
        const int32_t helpers = grow(threads - 1);
        {
            const std::lock_guard lock(mutex_);
            loop_ = &loop;
            wanted_ = running_ = helpers;
        }
        work_.notify_all();
        inside_ = true;
        loop.run();
        inside_ = false;
        std::unique_lock lock(mutex_);
        done_.wait(lock, [&] { return running_ == 0; });
        loop_ = nullptr;
    }

private:
    // As many helpers as there can be: a process out of threads still computes, on fewer.
    int32_t grow(int32_t helpers) noexcept
    {
        try {
            for (; workers_ < helpers; ++workers_)
                std::thread([this] { serve(); }).detach();
        } catch (const std::exception&) {
        }
        return std::min(helpers, workers_);
    }

    void serve() noexcept
    {
        inside_ = true;
        std::unique_lock lock(mutex_);
        for (;;) {
            work_.wait(lock, [&] { return wanted_ > 0; });
            --wanted_;
            Loop& loop = *loop_;
            lock.unlock();
            loop.run();
            lock.lock();
            if (--running_ == 0) done_.notify_one();
        }
    }

    static thread_local bool inside_;
    std::mutex turn_, mutex_;
    std::condition_variable work_, done_;
    Loop* loop_ = nullptr;
    int32_t workers_ = 0;              // that exist
    int32_t wanted_ = 0, running_ = 0; // of the current loop: not yet started, not yet done
};

thread_local bool ThreadPool::inside_ = false;

// Never destroyed: its detached threads may outlive the statics of the library.
ThreadPool& pool()
{
    alignas(ThreadPool) static unsigned char storage[sizeof(ThreadPool)];
    static ThreadPool* const instance = new (storage) ThreadPool;
    return *instance;
}

} // namespace

void parallel_for(int32_t threads, int64_t count, int64_t grain, RangeBody body)
{
    const int64_t grains = (count + grain - 1) / grain;
    threads = static_cast<int32_t>(std::min<int64_t>(threads, grains));
    if (threads <= 1) {
        if (count > 0) body(0, count);
        return;
    }
    if (const nbit_parallel_for other = backend.load(std::memory_order_acquire)) {
        struct State {
            RangeBody body;
            int64_t count, grain;
        } state{body, count, grain};
        const int32_t status = other(
            0, grains, (grains + threads - 1) / threads,
            [](int64_t begin, int64_t end, void* data) {
                const State& s = *static_cast<const State*>(data);
                s.body(begin * s.grain, std::min(s.count, end * s.grain));
            },
            &state);
        if (status != 0)
            throw Error(NBIT_STATUS_INTERNAL_ERROR, "the thread pool given to nbit_parallel_set_backend failed with %d",
                        status);
        return;
    }
    // A few pieces a thread even out cores of different speed.
    const int64_t pieces = std::min<int64_t>(grains, 4 * static_cast<int64_t>(threads));
    Loop loop{body, count, (grains + pieces - 1) / pieces * grain};
    pool().run(loop, threads);
}

void set_parallel_backend(nbit_parallel_for other) noexcept { backend.store(other, std::memory_order_release); }

} // namespace nbit
