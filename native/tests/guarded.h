// Memory whose surroundings tests watch.
#pragma once
#include "base/memory.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace nbit::test
{

// Elements that begin a cache line, or a few elements after it, between guards.
template <class T> class Guarded
{
public:
    explicit Guarded(int64_t count, int64_t shift = 0)
        : count_(count), shift_(shift), memory_(static_cast<size_t>(2 * guard + shift + count) * sizeof(T), untouched)
    {
    }
    T* data() { return reinterpret_cast<T*>(memory_.data()) + guard + shift_; }
    const T* data() const { return reinterpret_cast<const T*>(memory_.data()) + guard + shift_; }
    std::vector<unsigned char> bytes() const
    {
        const auto* begin = reinterpret_cast<const unsigned char*>(data());
        return {begin, begin + static_cast<size_t>(count_) * sizeof(T)};
    }
    bool is_intact() const
    {
        const auto* begin = reinterpret_cast<const unsigned char*>(data());
        const auto* end = begin + static_cast<size_t>(count_) * sizeof(T);
        const auto is_untouched = [](unsigned char byte) { return byte == untouched; };
        return std::all_of(memory_.data(), begin, is_untouched) &&
               std::all_of(end, memory_.data() + memory_.size(), is_untouched);
    }

private:
    static constexpr int64_t guard = 64;
    static constexpr unsigned char untouched = 0xa5;
    int64_t count_, shift_;
    std::vector<unsigned char, Allocator<unsigned char>> memory_;
};

} // namespace nbit::test
