// Checks of arguments that exports share.
#pragma once
#include "base/data_type.h"
#include "base/error.h"
#include "cpu/number_formats.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <iterator>

namespace nbit
{

// For memory of any element type.
inline void require_memory(const void* pointer, const char* name)
{
    if (!pointer) throw Error(NBIT_STATUS_INVALID_ARGUMENT, "%s is null; give the address of memory for it", name);
}

// An argument that is a number of elements, or one of the sizes of a matrix.
struct Extent {
    const char* name;
    int64_t size;
};

// The bytes of so many elements; throws where the count is negative or the bytes cannot be addressed.
inline int64_t checked_bytes(const Extent& count, int64_t element_bytes)
{
    const int64_t most = INT64_MAX / element_bytes;
    if (count.size < 0 || count.size > most)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT, "%s is %lld; allowed are 0 to %lld elements of %lld bytes",
                    count.name, static_cast<long long>(count.size), static_cast<long long>(most),
                    static_cast<long long>(element_bytes));
    return count.size * element_bytes;
}
inline int64_t checked_bytes(int64_t count, int64_t element_bytes)
{
    return checked_bytes({"count", count}, element_bytes);
}

// The bytes of a matrix; throws as above.
inline int64_t checked_bytes(const Extent& rows, const Extent& columns, int64_t element_bytes)
{
    const int64_t most = INT64_MAX / element_bytes;
    if (rows.size < 0 || columns.size < 0 || (columns.size > 0 && rows.size > most / columns.size))
        throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                    "%s is %lld and %s is %lld; neither may be negative, and together they may have at most %lld "
                    "elements of %lld bytes",
                    rows.name, static_cast<long long>(rows.size), columns.name, static_cast<long long>(columns.size),
                    static_cast<long long>(most), static_cast<long long>(element_bytes));
    return rows.size * columns.size * element_bytes;
}
inline int64_t checked_bytes(int64_t rows, int64_t columns, int64_t element_bytes)
{
    return checked_bytes({"rows", rows}, {"columns", columns}, element_bytes);
}

inline void require_number_format(const char* name, int32_t type)
{
    if (std::find(std::begin(number_formats), std::end(number_formats), type) == std::end(number_formats))
        throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                    "%s is %d (%s); allowed are float32 (6), float16 (5) and bfloat16 (15)", name, type,
                    data_type_name(type));
}

// The kernel for a type; throws where there is none.
template <class Kernel> Kernel checked_kernel(const FormatKernels<Kernel>& kernels, const char* name, int32_t type)
{
    require_number_format(name, type);
    return kernels.find(type);
}

inline void require_power_of_two_blocksize(int64_t blocksize)
{
    if (blocksize < 32 || blocksize > 4096 || !std::has_single_bit(static_cast<uint64_t>(blocksize)))
        throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                    "blocksize is %lld; allowed are the powers of two from 32 to 4096 (64 is usual)",
                    static_cast<long long>(blocksize));
}

// Of outliers, for int8 quantization.
inline void require_threshold(float threshold)
{
    if (!(threshold >= 0) || std::isinf(threshold))
        throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                    "threshold is %g; allowed are finite numbers above 0 (6 is usual), or 0 for no outliers",
                    static_cast<double>(threshold));
}

constexpr int64_t ceil_divide(int64_t count, int64_t size) { return count / size + (count % size != 0); }

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

// Memory that a call writes shares no byte with other memory that it names.
inline void require_disjoint(std::initializer_list<Region> written, std::initializer_list<Region> read)
{
    for (auto region = written.begin(); region != written.end(); ++region) {
        for (const Region& other : read)
            require_disjoint(*region, other);
        for (auto other = region + 1; other != written.end(); ++other)
            require_disjoint(*region, *other);
    }
}

// Memory of any element type that is needed unless it is empty.
inline void require_memory(std::initializer_list<Region> regions)
{
    for (const Region& region : regions)
        if (region.bytes > 0) require_memory(region.begin, region.name);
}

} // namespace nbit
