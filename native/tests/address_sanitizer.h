// AddressSanitizer, where tests are built with it.
#pragma once
#include <cstddef>

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

// From then on, reads and writes of the bytes fail.
inline void forbid_access([[maybe_unused]] const void* begin, [[maybe_unused]] const void* end)
{
#if defined(NBIT_ADDRESS_SANITIZER)
    ASAN_POISON_MEMORY_REGION(begin,
                              static_cast<size_t>(static_cast<const char*>(end) - static_cast<const char*>(begin)));
#endif
}

inline void allow_access([[maybe_unused]] const void* begin, [[maybe_unused]] const void* end)
{
#if defined(NBIT_ADDRESS_SANITIZER)
    ASAN_UNPOISON_MEMORY_REGION(begin,
                                static_cast<size_t>(static_cast<const char*>(end) - static_cast<const char*>(begin)));
#endif
}

} // namespace nbit::test
