// The context of the ABI: where work is issued.
#pragma once
#include "abi/backend.h"
#include "base/memory.h"
#include "nbit/nbit.h"

#include <atomic>
#include <utility>

struct nbit_context final : nbit::Allocated {
    const std::unique_ptr<const nbit::Backend> backend; // null for the CPU
    std::atomic<void*> stream{nullptr};
    std::atomic<int32_t> threads;

    nbit_context(std::unique_ptr<const nbit::Backend> device, int32_t thread_count)
        : backend(std::move(device)), threads(thread_count)
    {
    }

    // Does an operation where the context works: the one place where the ways of the CPU and of other devices part.
    template <class Operation, class OnCpu> void run(const Operation& operation, const OnCpu& on_cpu) const
    {
        if (!backend) return on_cpu();
        backend->run(stream.load(), operation);
    }
};
