// Heap memory that does not come through base/memory.h.
#pragma once
#include <cstdint>

namespace nbit::test
{

// Blocks that this thread had from operator new so far: a program that links this counts them, unless AddressSanitizer
// brings an operator new of its own.
int64_t other_blocks_had() noexcept;

} // namespace nbit::test
