#include "cpu/streaming.h"
#include "base/platform.h"

namespace nbit
{

bool should_stream(int64_t output_bytes) noexcept
{
    static const int64_t limit = platform::last_level_cache_bytes() / 2; // asked once: it may take microseconds
    return output_bytes > limit;
}

} // namespace nbit
