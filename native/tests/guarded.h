// Memory whose surroundings tests watch.
#pragma once
#include "base/memory.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NBIT_ADDRESS_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define NBIT_ADDRESS_SANITIZER
#endif
#if defined(NBIT_ADDRESS_SANITIZER)
#include <sanitizer/asan_interface.h>
#endif

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

#if defined(NBIT_ADDRESS_SANITIZER)
    void forbid_guards() const
    {
        __asan_poison_memory_region(memory_.data(), static_cast<size_t>(begin() - memory_.data()));
        __asan_poison_memory_region(end(), static_cast<size_t>(memory_.data() + memory_.size() - end()));
    }
    void allow_all() const { __asan_unpoison_memory_region(memory_.data(), memory_.size()); }
#else
    void forbid_guards() const {}
    void allow_all() const {}
#endif

    int64_t count_, shift_;
    std::vector<unsigned char, Allocator<unsigned char>> memory_;
};

} // namespace nbit::test
