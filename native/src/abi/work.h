// How exports share their work out among threads.
#pragma once
#include "abi/context.h"
#include "base/float_environment.h"
#include "base/thread_pool.h"

namespace nbit
{

// Elements of a piece: whole pages of every output, and whole blocks of every size that is a power of two. Once several
// threads run, small pieces let the first one go on until the others are there.
inline constexpr int64_t grain_elements = 64 << 10;

// The threads that work on so much data should use. Measured: waking one takes about 30 us, which is what casting half
// of this takes.
inline int32_t threads_for(const nbit_context& context, int64_t bytes_read, int64_t bytes_written)
{
    constexpr int64_t bytes_worth_threads = 2 << 20;
    return bytes_written > bytes_worth_threads - bytes_read ? context.threads.load() : 1;
}

// body(begin, end) for disjoint ranges that cover [0, count), all but the last one multiples of the grain, in the
// floating-point mode that kernels need.
template <class Body> void share_out(int32_t threads, int64_t count, int64_t grain, const Body& body)
{
    parallel_for(threads, count, grain, [&](int64_t begin, int64_t end) noexcept {
        const DefaultFloatEnvironment environment;
        body(begin, end);
    });
}

} // namespace nbit
