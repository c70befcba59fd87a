#include "hardening/other_memory.h"
#include "address_sanitizer.h"

#include <cstdlib>
#include <new>

namespace
{

thread_local int64_t blocks = 0;

} // namespace

int64_t nbit::test::other_blocks_had() noexcept { return blocks; }

#if !defined(NBIT_ADDRESS_SANITIZER)
// The other forms call these.
void* operator new(size_t bytes)
{
    ++blocks;
    if (void* memory = std::malloc(bytes ? bytes : 1)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
#endif
