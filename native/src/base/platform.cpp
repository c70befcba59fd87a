#include "base/platform.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <malloc.h>
#include <windows.h>
#else
#include <dirent.h>
#include <dlfcn.h>
#include <unistd.h>
#endif
#if defined(__linux__)
#include <sched.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace nbit::platform
{
namespace
{

constexpr int64_t guessed_cache_bytes = 8 << 20;

} // namespace

const char* environment_variable(const char* name) noexcept { return std::getenv(name); }

#if defined(_WIN32)

void* allocate_aligned(size_t alignment, size_t bytes) noexcept { return _aligned_malloc(bytes, alignment); }

void free_aligned(void* memory) noexcept { _aligned_free(memory); }

int32_t processor_count() noexcept
{
    return std::max<int32_t>(1, static_cast<int32_t>(GetActiveProcessorCount(ALL_PROCESSOR_GROUPS)));
}

int64_t last_level_cache_bytes() noexcept { return guessed_cache_bytes; }

void* find_symbol(void* library, const char* name) noexcept
{
    return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name));
}

void* open_library(const char* path, Symbols, char* reason, size_t capacity) noexcept
{
    void* library = LoadLibraryExA(path, nullptr, LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS);
    if (!library) std::snprintf(reason, capacity, "error %lu of LoadLibraryEx", GetLastError());
    return library;
}

void close_library(void* library) noexcept { FreeLibrary(static_cast<HMODULE>(library)); }

void find_path(const void* address, char* path, size_t capacity) noexcept
{
    HMODULE module = nullptr;
    constexpr DWORD by_address = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    path[0] = 0;
    if (GetModuleHandleExA(by_address, static_cast<const char*>(address), &module))
        GetModuleFileNameA(module, path, static_cast<DWORD>(capacity));
}

void for_each_entry(const char* directory, EntryVisitor visit, void* state)
{
    char pattern[MAX_PATH];
    std::snprintf(pattern, sizeof(pattern), "%s\\*", directory);
    WIN32_FIND_DATAA entry;
    struct Close {
        using pointer = HANDLE;
        void operator()(HANDLE search) const noexcept { FindClose(search); }
    };
    const HANDLE first = FindFirstFileA(pattern, &entry);
    if (first == INVALID_HANDLE_VALUE) return;
    const std::unique_ptr<HANDLE, Close> search(first);
    do
        visit(entry.cFileName, state);
    while (FindNextFileA(search.get(), &entry));
}

#else

void* allocate_aligned(size_t alignment, size_t bytes) noexcept { return std::aligned_alloc(alignment, bytes); }

void free_aligned(void* memory) noexcept { std::free(memory); }

int32_t processor_count() noexcept
{
#if defined(__linux__)
    cpu_set_t allowed; // a container or taskset may leave fewer than the machine has
    if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) return std::max(1, CPU_COUNT(&allowed));
#endif
    return std::max<int32_t>(1, static_cast<int32_t>(sysconf(_SC_NPROCESSORS_ONLN)));
}

int64_t last_level_cache_bytes() noexcept
{
    int64_t bytes = 0;
#if defined(__linux__)
    bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
    if (bytes <= 0) bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
#elif defined(__APPLE__)
    size_t size = sizeof(bytes);
    if (sysctlbyname("hw.l3cachesize", &bytes, &size, nullptr, 0) != 0 || bytes <= 0)
        sysctlbyname("hw.l2cachesize", &bytes, &size, nullptr, 0);
#endif
    return bytes > 0 ? bytes : guessed_cache_bytes;
}

void* find_symbol(void* library, const char* name) noexcept { return dlsym(library, name); }

void* open_library(const char* path, Symbols symbols, char* reason, size_t capacity) noexcept
{
    void* library = dlopen(path, RTLD_LAZY | (symbols == Symbols::for_everyone ? RTLD_GLOBAL : RTLD_LOCAL));
    if (!library) std::snprintf(reason, capacity, "%s", dlerror());
    return library;
}

void close_library(void* library) noexcept { dlclose(library); }

void find_path(const void* address, char* path, size_t capacity) noexcept
{
    Dl_info found;
    const bool is_known = dladdr(address, &found) != 0 && found.dli_fname;
    std::snprintf(path, capacity, "%s", is_known ? found.dli_fname : "");
}

void for_each_entry(const char* directory, EntryVisitor visit, void* state)
{
    struct Close {
        void operator()(DIR* opened) const noexcept { closedir(opened); }
    };
    const std::unique_ptr<DIR, Close> opened(opendir(directory));
    if (!opened) return;
    while (const dirent* entry = readdir(opened.get()))
        visit(entry->d_name, state);
}

#endif

} // namespace nbit::platform
