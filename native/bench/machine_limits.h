// What this machine can do at most: the measures that benchmarks hold kernels against. Bandwidth drifts with what the
// neighbours of a virtual machine do, so measure it between the repetitions of a kernel, never once.
#pragma once
#include <cstdint>
#include <functional>

namespace nbit::bench
{

// Runs body(0) to body(threads - 1) at once, each on a thread of its own, and returns the seconds from a common start
// to the last end.
double run_on_threads(int threads, const std::function<void(int)>& body);

// Bytes a second of a loop that only loads. Memory several times the last-level cache measures memory.
double read_bandwidth(const void* memory, int64_t bytes, int threads);

// Bytes read plus bytes written a second of a copy whose stores bypass the caches. Both pointers begin a cache line,
// and bytes is a multiple of one.
double copy_bandwidth(const void* source, void* target, int64_t bytes, int threads);

enum class Arithmetic { float32, bfloat16, int8 };

// Operations a second, a multiplication and an addition counted as two, of the fastest instruction that multiplies and
// accumulates in float32 (int32 for int8), from registers; 0 where the machine has none.
double peak_arithmetic(Arithmetic kind, int threads, double seconds);

} // namespace nbit::bench
