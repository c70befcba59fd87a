/// The machine's limits with a C interface, for benchmarks in other languages. Each function measures once and returns
/// 0, or 1 where an argument is not allowed or the machine lacks what is to be measured; results are rates per second.
#ifndef NBIT_LIMITS_H
#define NBIT_LIMITS_H

#include <stdint.h>

#if defined(_WIN32)
#define NBIT_LIMITS_EXPORT __declspec(dllexport)
#else
#define NBIT_LIMITS_EXPORT __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum nbit_limits_kind {
    NBIT_LIMITS_KIND_FLOAT32 = 0,
    NBIT_LIMITS_KIND_BFLOAT16 = 1,
    NBIT_LIMITS_KIND_INT8 = 2,
};

/// Bytes a second of a loop that only loads.
NBIT_LIMITS_EXPORT int32_t nbit_limits_read(const void* memory, int64_t bytes, int32_t threads, double* result);

/// Bytes read plus bytes written a second of a copy whose stores bypass the caches.
/// \param source Begins a cache line (64 bytes), as does target.
/// \param bytes A multiple of 64.
NBIT_LIMITS_EXPORT int32_t nbit_limits_copy(const void* source, void* target, int64_t bytes, int32_t threads,
                                            double* result);

/// Operations a second (a multiplication and an addition are two) of the fastest multiply-accumulate instruction.
/// \param kind One of nbit_limits_kind.
/// \param seconds How long to run it.
NBIT_LIMITS_EXPORT int32_t nbit_limits_peak(int32_t kind, int32_t threads, double seconds, double* result);

#ifdef __cplusplus
}
#endif

#endif
