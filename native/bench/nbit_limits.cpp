#include "nbit_limits.h"
#include "machine_limits.h"

#include <exception>

namespace
{

constexpr int32_t done = 0, refused = 1;

// A rate of zero stands for something that the machine lacks.
template <class Measure> int32_t measured(bool allowed, double* result, const Measure& measure) noexcept
{
    if (!allowed || !result) return refused;
    try {
        const double rate = measure();
        if (rate > 0) *result = rate;
        return rate > 0 ? done : refused;
    } catch (const std::exception&) {
        return refused;
    }
}

bool begins_line(const void* memory) { return memory && reinterpret_cast<uintptr_t>(memory) % 64 == 0; }

} // namespace

int32_t nbit_limits_read(const void* memory, int64_t bytes, int32_t threads, double* result)
{
    return measured(memory && bytes > 0 && threads > 0, result,
                    [&] { return nbit::bench::read_bandwidth(memory, bytes, threads); });
}

int32_t nbit_limits_copy(const void* source, void* target, int64_t bytes, int32_t threads, double* result)
{
    const bool allowed = begins_line(source) && begins_line(target) && bytes > 0 && bytes % 64 == 0 && threads > 0;
    return measured(allowed, result, [&] { return nbit::bench::copy_bandwidth(source, target, bytes, threads); });
}

int32_t nbit_limits_peak(int32_t kind, int32_t threads, double seconds, double* result)
{
    const bool allowed =
        kind >= NBIT_LIMITS_KIND_FLOAT32 && kind <= NBIT_LIMITS_KIND_INT8 && threads > 0 && seconds > 0;
    return measured(allowed, result, [&] {
        return nbit::bench::peak_arithmetic(static_cast<nbit::bench::Arithmetic>(kind), threads, seconds);
    });
}
