// Reasons for which an operation is left to others, checked before anything is written. `kernels` is whose they are.
#pragma once
#include "abi/arguments.h"

namespace nbit::cuda
{

// Kernels count elements in 32 bits, and the last piece of work reaches beyond the last element.
inline constexpr int64_t most_elements = INT32_MAX - (1 << 20);

inline constexpr char of_bitsandbytes[] = "bitsandbytes";
inline constexpr char of_transformer_engine[] = "Transformer Engine";

inline int32_t checked_int32(const char* name, int64_t value, const char* kernels = of_bitsandbytes)
{
    if (value > most_elements)
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "%s is %lld; the kernels of %s on CUDA count up to %lld. Split the work", name,
                    static_cast<long long>(value), kernels, static_cast<long long>(most_elements));
    return static_cast<int32_t>(value);
}

inline void require_countable(const char* names, int64_t rows, int64_t columns)
{
    if (columns > 0 && rows > most_elements / columns)
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "%s are %lld and %lld; bitsandbytes' kernels on CUDA count up to %lld elements. Split the work",
                    names, static_cast<long long>(rows), static_cast<long long>(columns),
                    static_cast<long long>(most_elements));
}

// Of those who count elements with `name`.
inline void require_multiple(const char* name, int64_t value, int64_t of, const char* kernels = of_bitsandbytes)
{
    if (value % of != 0)
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "%s is %lld; the kernel of %s on CUDA needs a multiple of %lld", name,
                    static_cast<long long>(value), kernels, static_cast<long long>(of));
}

inline void require_aligned(const char* name, const void* address, uintptr_t bytes,
                            const char* kernels = of_bitsandbytes)
{
    if (reinterpret_cast<uintptr_t>(address) % bytes != 0)
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "%s begins at an address that is no multiple of %llu bytes, which the kernel of %s on CUDA needs",
                    name, static_cast<unsigned long long>(bytes), kernels);
}

inline void require_type(const char* name, int32_t type, int32_t needed, const char* kernels = of_bitsandbytes)
{
    if (type != needed)
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND, "%s is %d (%s); the kernel of %s on CUDA takes %s alone",
                    name, type, data_type_name(type), kernels, data_type_name(needed));
}

// Of 8-bit codes; those of 4 bits may have 32, too.
inline void require_blocksize8(int64_t blocksize)
{
    if (blocksize < 64 || blocksize > 4096 || !std::has_single_bit(static_cast<uint64_t>(blocksize)))
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "blocksize is %lld; bitsandbytes' 8-bit kernels on CUDA have the powers of two from 64 to 4096",
                    static_cast<long long>(blocksize));
}

} // namespace nbit::cuda
