// Checks of arguments that exports share.
#pragma once
#include "base/error.h"

#include <cstdint>

namespace nbit
{

// For memory of any element type.
inline void require_memory(const void* pointer, const char* name)
{
    if (!pointer) throw Error(NBIT_STATUS_INVALID_ARGUMENT, "%s is null; give the address of memory for it", name);
}

// The bytes of `count` elements; throws where count is negative or the bytes cannot be addressed.
inline int64_t checked_bytes(int64_t count, int64_t element_bytes)
{
    const int64_t most = INT64_MAX / element_bytes;
    if (count < 0 || count > most)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT, "count is %lld; allowed are 0 to %lld elements of %lld bytes",
                    static_cast<long long>(count), static_cast<long long>(most), static_cast<long long>(element_bytes));
    return count * element_bytes;
}

// Memory that an argument names. Null is an empty region.
struct Region {
    const char* name;
    const void* begin;
    int64_t bytes;
};

inline void require_disjoint(const Region& written, const Region& other)
{
    const auto a = reinterpret_cast<uintptr_t>(written.begin), b = reinterpret_cast<uintptr_t>(other.begin);
    if (!a || !b || written.bytes == 0 || other.bytes == 0) return;
    const bool apart =
        a < b ? b - a >= static_cast<uintptr_t>(written.bytes) : a - b >= static_cast<uintptr_t>(other.bytes);
    if (!apart)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT, "%s (%lld bytes) overlaps %s (%lld bytes); give %s memory of its own",
                    written.name, static_cast<long long>(written.bytes), other.name,
                    static_cast<long long>(other.bytes), written.name);
}

} // namespace nbit
