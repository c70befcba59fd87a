// All that is asked of the operating system, in one place: everything else in the library is portable C++.
#pragma once
#include <cstddef>
#include <cstdint>

namespace nbit::platform
{

// Null if it is not set.
const char* environment_variable(const char* name) noexcept;

// Memory at a multiple of `alignment`, a power of two that divides `bytes`; null if there is none.
void* allocate_aligned(size_t alignment, size_t bytes) noexcept;
void free_aligned(void* memory) noexcept;

// Processors that this process may run on; at least 1.
int32_t processor_count() noexcept;

// Bytes of the cache that is shared by all cores, or a guess of 8 MiB.
int64_t last_level_cache_bytes() noexcept;

// Opens a shared library, whose functions are bound when they are first called. Null if that fails; the reason is then
// written to `reason`.
enum class Symbols { for_its_users, for_everyone };
void* open_library(const char* path, Symbols symbols, char* reason, size_t capacity) noexcept;
void close_library(void* library) noexcept;

// The path of the library that holds an address; empty if it is not known.
void find_path(const void* address, char* path, size_t capacity) noexcept;

// The names in a directory, in no order; none if it cannot be read.
using EntryVisitor = void (*)(const char* name, void* state);
void for_each_entry(const char* directory, EntryVisitor visit, void* state);

// The address of a symbol in a loaded library or in those it depends on; null if there is none.
void* find_symbol(void* library, const char* name) noexcept;

} // namespace nbit::platform
