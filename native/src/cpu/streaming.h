// Whether an output should bypass the caches.
#pragma once
#include <cstdint>

namespace nbit
{

// True where an output would push everything else out of the last-level cache: then writing past it saves reading each
// line before it is overwritten. Below, what comes next finds the output in the cache.
bool should_stream(int64_t output_bytes) noexcept;

} // namespace nbit
