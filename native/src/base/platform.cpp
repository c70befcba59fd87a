#include "base/platform.h"

#include <algorithm>
#include <cstdlib>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
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

int32_t processor_count() noexcept
{
    return std::max<int32_t>(1, static_cast<int32_t>(GetActiveProcessorCount(ALL_PROCESSOR_GROUPS)));
}

int64_t last_level_cache_bytes() noexcept { return guessed_cache_bytes; }

void* find_symbol(void* library, const char* name) noexcept
{
    return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name));
}

#else

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

#endif

} // namespace nbit::platform
