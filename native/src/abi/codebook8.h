// The 8-bit code of the ABI, prepared for the CPU's kernels.
#pragma once
#include "base/memory.h"
#include "cpu/codebook8.h"
#include "nbit/nbit.h"

struct nbit_codebook8 final : nbit::Allocated {
    const nbit::Codebook8 book;

    explicit nbit_codebook8(const float* values) : book(values) {}
};
