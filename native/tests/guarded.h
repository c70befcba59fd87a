// Memory whose surroundings tests watch.
#pragma once
#include "address_sanitizer.h"
#include "base/memory.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace nbit::test
{

// Elements that begin a cache line, or a few elements after it, between guards. Built with AddressSanitizer, reads of
// the guards fail, too.
template <class T> class Guarded
{
public:
    explicit Guarded(int64_t count, int64_t shift = 0)
        : count_(count), shift_(shift), memory_(static_cast<size_t>(2 * guard + shift + count) * sizeof(T), untouched)
    {
        forbid_guards();
    }
    Guarded(const Guarded&) = delete;
    Guarded(Guarded&&) noexcept = default;

    T* data() { return reinterpret_cast<T*>(memory_.data()) + guard + shift_; }
    const T* data() const { return reinterpret_cast<const T*>(memory_.data()) + guard + shift_; }
    std::vector<unsigned char> bytes() const { return {begin(), end()}; }
    bool is_intact() const
    {
        const auto is_untouched = [](unsigned char byte) { return byte == untouched; };
        allow_all();
        const bool is_intact = std::all_of(memory_.data(), begin(), is_untouched) &&
                               std::all_of(end(), memory_.data() + memory_.size(), is_untouched);
        forbid_guards();
        return is_intact;
    }

private:
    static constexpr int64_t guard = 64;
    static constexpr unsigned char untouched = 0xa5;

    const unsigned char* begin() const { return reinterpret_cast<const unsigned char*>(data()); }
    const unsigned char* end() const { return begin() + static_cast<size_t>(count_) * sizeof(T); }

    void forbid_guards() const
    {
        forbid_access(memory_.data(), begin());
        forbid_access(end(), memory_.data() + memory_.size());
    }
    void allow_all() const { allow_access(memory_.data(), memory_.data() + memory_.size()); }

    int64_t count_, shift_;
    std::vector<unsigned char, Allocator<unsigned char>> memory_;
};

} // namespace nbit::test
