// The one way to native memory. Everything that the library keeps on the heap comes through here, so that tests can
// count it and make it fail.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace nbit
{

// Throws std::bad_alloc. Aligned to a cache line, which is also the widest vector.
void* allocate(size_t bytes);
void deallocate(void* memory, size_t bytes) noexcept;

struct MemoryCount {
    int64_t bytes, blocks;
};
MemoryCount memory_count() noexcept;

// The given allocation from now on fails (1 is the next one); 0 turns it off.
void fail_allocation(int64_t which) noexcept;

// For standard containers.
template <class T> struct Allocator {
    using value_type = T;
    Allocator() = default;
    template <class U> Allocator(const Allocator<U>&) noexcept {}
    T* allocate(size_t count)
    {
        if (count > SIZE_MAX / sizeof(T)) throw std::bad_alloc();
        return static_cast<T*>(nbit::allocate(count * sizeof(T)));
    }
    void deallocate(T* memory, size_t count) noexcept { nbit::deallocate(memory, count * sizeof(T)); }
    template <class U> bool operator==(const Allocator<U>&) const noexcept { return true; }
};

// Elements without a value yet, which begin a cache line.
template <class T> class Scratch
{
    static_assert(std::is_trivial_v<T>);

public:
    explicit Scratch(int64_t count)
        : bytes_(static_cast<size_t>(count) * sizeof(T)), elements_(static_cast<T*>(allocate(bytes_)))
    {
    }
    ~Scratch() { deallocate(elements_, bytes_); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    T* data() const noexcept { return elements_; }

private:
    size_t bytes_;
    T* elements_;
};

// For single objects: class X : Allocated { ... }; new X and delete go through the seam.
struct Allocated {
    static void* operator new(size_t bytes) { return allocate(bytes); }
    static void operator delete(void* memory, size_t bytes) noexcept { deallocate(memory, bytes); }
};

} // namespace nbit
