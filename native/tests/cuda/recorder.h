// What the libraries that stand in for CUDA's share with the tests: every call comes here.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace nbit::fake
{

struct Argument {
    const char* name;
    uint64_t bits;
};

// NVTEShape
struct Shape {
    size_t extents[15];
    size_t dimensions;
};

template <class T> uint64_t bits(T value)
{
    if constexpr (std::is_pointer_v<T>)
        return reinterpret_cast<uint64_t>(value);
    else if constexpr (std::is_same_v<T, float>)
        return std::bit_cast<uint32_t>(value);
    else
        return static_cast<uint64_t>(value);
}

struct Call {
    const char* library;
    std::string function;
    std::vector<Argument> arguments;
    void* result; // null for functions without one

    // By their names in the table.
    uint64_t bits_of(const char* name) const
    {
        for (const Argument& argument : arguments)
            if (std::string(argument.name) == name) return argument.bits;
        throw std::logic_error(function + " has no parameter " + name);
    }
    template <class T = void> T* pointer(const char* name) const { return reinterpret_cast<T*>(bits_of(name)); }
    int32_t integer(const char* name) const { return static_cast<int32_t>(bits_of(name)); }
    size_t size(const char* name) const { return bits_of(name); }
    float number(const char* name) const { return std::bit_cast<float>(static_cast<uint32_t>(bits_of(name))); }
    template <class T> void give(T value) const { *static_cast<T*>(result) = value; }
};

using Handler = std::function<void(const Call&)>;

// Of the process, whichever of the libraries is called.
[[gnu::visibility("default")]] void call(const Call& call);
[[gnu::visibility("default")]] Handler& handler();

} // namespace nbit::fake
