// The context of the ABI: where work is issued.
#pragma once
#include "base/memory.h"
#include "nbit/nbit.h"

#include <atomic>

struct nbit_context final : nbit::Allocated {
    const nbit_device_kind device_kind;
    const int32_t device_index;
    std::atomic<void*> stream{nullptr};
    std::atomic<int32_t> threads;

    nbit_context(nbit_device_kind kind, int32_t index, int32_t thread_count)
        : device_kind(kind), device_index(index), threads(thread_count)
    {
    }
};
