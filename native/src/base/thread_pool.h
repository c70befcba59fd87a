// Loops over several threads: libnbit's own threads, or another pool that the process has (libtorch's).
#pragma once
#include "nbit/nbit.h"

#include <cstdint>
#include <type_traits>

namespace nbit
{

// A reference to a callable that outlives the call: no memory, no copy.
class RangeBody
{
public:
    template <class F>
    RangeBody(const F& body)
        : state_(const_cast<void*>(static_cast<const void*>(&body))),
          call_([](int64_t begin, int64_t end, void* state) { (*static_cast<const F*>(state))(begin, end); })
    {
        static_assert(std::is_nothrow_invocable_v<const F&, int64_t, int64_t>,
                      "bodies run on other threads, where nothing catches: mark them noexcept");
    }
    void operator()(int64_t begin, int64_t end) const { call_(begin, end, state_); }

    void* state() const { return state_; }
    auto function() const { return call_; }

private:
    void* state_;
    void (*call_)(int64_t, int64_t, void*);
};

// Calls body(b, e) for disjoint ranges that cover [0, count), on at most `threads` threads; each range but the last
// holds a multiple of `grain` elements.
void parallel_for(int32_t threads, int64_t count, int64_t grain, RangeBody body);

// Null for libnbit's own threads.
void set_parallel_backend(nbit_parallel_for backend) noexcept;

} // namespace nbit
