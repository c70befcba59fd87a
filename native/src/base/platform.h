// All that is asked of the operating system, in one place: everything else in the library is portable C++.
#pragma once
#include <cstddef>
#include <cstdint>

namespace nbit::platform
{

// Null if it is not set.
const char* environment_variable(const char* name) noexcept;

// Processors that this process may run on; at least 1.
int32_t processor_count() noexcept;

// Bytes of the cache that is shared by all cores, or a guess of 8 MiB.
int64_t last_level_cache_bytes() noexcept;

// The address of a symbol in a loaded library or in those it depends on; null if there is none.
void* find_symbol(void* library, const char* name) noexcept;

} // namespace nbit::platform
