#include "base/memory.h"
#include "abi/guard.h"

using namespace nbit;

int32_t nbit_memory_count(int64_t* bytes, int64_t* blocks)
{
    return guarded([&] {
        int64_t &b = required(bytes, "bytes"), &n = required(blocks, "blocks");
        const MemoryCount count = memory_count();
        b = count.bytes;
        n = count.blocks;
    });
}

int32_t nbit_memory_fail(int64_t allocation)
{
    return guarded([&] {
        if (allocation < 0)
            throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                        "allocation is %lld; allowed are 1 (the next one) and above, or 0 to turn it off",
                        static_cast<long long>(allocation));
        fail_allocation(allocation);
    });
}
