// What the vector kernels of all instruction sets do at the ends of a range.
#pragma once
#include <cstdint>
#include <cstring>

namespace nbit
{
namespace
{

constexpr int64_t cache_line = 64;

// Elements before the first one that begins an aligned vector, where streaming stores can begin; -1 if there is none.
template <class T> inline int64_t elements_before_vector(const T* target, int64_t vector_bytes)
{
    const int64_t bytes = -static_cast<int64_t>(reinterpret_cast<uintptr_t>(target)) & (vector_bytes - 1);
    constexpr int64_t size = sizeof(T);
    return bytes % size == 0 ? bytes / size : -1;
}

// A part of a tile goes through a zero-filled tile on the stack, so that the kernels have one body.
template <class T, int64_t size> struct PaddedTile {
    alignas(cache_line) T data[size];
    PaddedTile(const T* elements, int64_t count)
    {
        std::memset(static_cast<void*>(data), 0, sizeof(data));
        std::memcpy(static_cast<void*>(data), static_cast<const void*>(elements),
                    static_cast<size_t>(count) * sizeof(T));
    }
};

} // namespace
} // namespace nbit
