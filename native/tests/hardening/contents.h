// What the memory of random calls holds.
#pragma once
#include "hardening/choices.h"

namespace nbit::test
{

enum class Contents {
    any,      // of every magnitude, with special numbers among them; codes and integers of any bits
    scales,   // finite and above 0
    amax,     // finite, 0 or more
    ascending // in rising order, as a codebook's numbers are
};

// Fills memory of any alignment with `count` elements of one of nbit_data_type.
void fill(void* memory, int32_t type, int64_t count, Contents contents, Choices& choices);

// Whether elements are the same, where one NaN is as good as another.
bool are_same(int32_t type, std::span<const uint8_t> a, std::span<const uint8_t> b);

} // namespace nbit::test
