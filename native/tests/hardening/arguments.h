// The arguments of a random call, with the memory that they name.
#pragma once
#include "abi.h"
#include "guarded.h"
#include "hardening/contents.h"

#include <array>
#include <deque>
#include <string>

namespace nbit::test
{

// Whether some arguments are wrong: of types and sizes that are not allowed, null, or memory that overlaps.
enum class Faults { none, some };
// Small calls run on one thread, large ones on several.
enum class Sizes { small, large };

struct Elements {
    int32_t type;
    int64_t count;
    Contents contents = Contents::any;
    bool is_aligned = false;
};

struct Shape {
    int64_t rows, columns;
    int64_t count() const;
};

// INT64_MAX where the product is no int64_t, 0 where a factor is negative.
int64_t saturated_product(int64_t a, int64_t b);
// Of blocks; 0 where the count is negative.
int64_t block_count(int64_t count, int64_t size);

class Arguments
{
public:
    Arguments(Choices& choices, Faults faults, Sizes sizes) : choices_(choices), faults_(faults), sizes_(sizes) {}
    Arguments(const Arguments&) = delete;

    Choices& choices() { return choices_; }
    bool has_fault(int64_t once_in) { return faults_ == Faults::some && choices_.once_in(once_in); }

    // One of those that are allowed, or a wrong one.
    int32_t one_of(std::initializer_list<int32_t> allowed);
    int32_t flag() { return one_of({0, 1}); }
    int32_t number_type(); // float32, float16 or bfloat16
    int32_t float8_type();
    float number(float low, float high); // or one that is below it, infinite or NaN
    int64_t power_of_two_blocksize();
    int64_t count();
    Shape shape();
    // At most `most`, or a wrong one.
    int64_t size(int64_t most);
    // Of one operation. A wrong one is often beside others that leave nothing to do.
    template <size_t n> std::array<int64_t, n> extents(const std::array<int64_t, n>& most)
    {
        std::array<int64_t, n> all;
        const bool is_extreme = has_fault(12);
        for (size_t i = 0; i < n; ++i)
            all[i] = is_extreme ? choices_.below(3) : size(most[i]);
        if (is_extreme) all[static_cast<size_t>(choices_.below(n))] = wrong_size();
        return all;
    }
    bool is_large() const { return sizes_ == Sizes::large; }

    // Memory that a call reads, writes or updates.
    template <class T = void> const T* read(const Elements& elements)
    {
        return static_cast<const T*>(memory(elements, Use::read));
    }
    template <class T = void> T* written(const Elements& elements)
    {
        return static_cast<T*>(memory(elements, Use::written));
    }
    template <class T = void> T* updated(const Elements& elements)
    {
        return static_cast<T*>(memory(elements, Use::updated));
    }
    // What follows overlaps nothing that came before, also where it is wrong: for what no call can find out.
    void begin_group() { group_ = regions_.size(); }
    // The same or null, where null is allowed. Too large to exist, it is no memory: other memory of the call is too
    // large as well, or there is nothing to do.
    template <class T = void> const T* read_or_null(const Elements& elements)
    {
        if (choices_.below(2)) return nullptr;
        return is_too_large(elements) ? unread<T>() : read<T>(elements);
    }
    // For what a call may not touch.
    template <class T = void> const T* unread()
    {
        constexpr uintptr_t nobodys = 64;
        return choices_.below(2) ? reinterpret_cast<const T*>(nobodys) : nullptr;
    }
    // A code, or null as a wrong argument.
    const nbit_codebook8* codebook();

    // Brings all memory into the state that it had before a call.
    void restore();
    // Says what a call did that it must not do; empty if nothing.
    std::string misuse(int32_t status) const;
    // What a call left behind, and what differs in that; empty if nothing.
    using Results = std::vector<std::vector<uint8_t>>;
    Results results() const;
    std::string difference(const Results& expected, const Results& found) const;

private:
    int64_t wrong_size();
    static bool is_too_large(const Elements& elements);

    enum class Use { read, written, updated };
    struct Region {
        Use use;
        int32_t type;
        Guarded<uint8_t> memory;
        std::vector<uint8_t> before;
    };
    void* memory(const Elements& elements, Use use);

    Choices& choices_;
    Faults faults_;
    Sizes sizes_;
    std::deque<Region> regions_; // whose elements stay where they are
    size_t group_ = 0;           // its first region
    std::vector<Codebook> codebooks_;
};

} // namespace nbit::test
