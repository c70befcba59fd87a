// The 8-bit code of the ABI, prepared for the CPU's kernels and, where it is for another device, copied there.
#pragma once
#include "abi/context.h"
#include "base/memory.h"
#include "cpu/codebook8.h"
#include "nbit/nbit.h"

struct nbit_codebook8 final : nbit::Allocated {
    const nbit::Codebook8 book;

    const std::unique_ptr<const nbit::Backend::Constant> on_device; // null for the CPU

    nbit_codebook8(const nbit_context& context, const float* values)
        : book(values), on_device(context.backend ? context.backend->copy(values, 256 * sizeof(float)) : nullptr)
    {
    }
};
