// Single elements in memory of any alignment.
#pragma once
#include <cstdint>
#include <cstring>

namespace nbit
{
namespace
{

template <class T> inline T load_element(const void* source, int64_t index)
{
    T value;
    std::memcpy(&value, static_cast<const unsigned char*>(source) + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
    return value;
}

template <class T> inline void store_element(void* target, int64_t index, T value)
{
    std::memcpy(static_cast<unsigned char*>(target) + index * static_cast<int64_t>(sizeof(T)), &value, sizeof(T));
}

} // namespace
} // namespace nbit
