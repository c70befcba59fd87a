// 8-bit block quantization with any code of 256 numbers: the contract of the kernels, and where to find them.
#pragma once
#include "cpu/codebook8.h"
#include "cpu/number_formats.h"

namespace nbit
{

// Pure functions on ranges that begin a block: no memory, no threads, no state. blocksize is any positive number;
// powers of two from 32 are fast. Elements and codes need no alignment. `stream`: write the output past the caches,
// where it and the blocks are aligned. Need the mode of base/float_environment.h.

// codes[i] is the code of source[i] * block_reciprocal(absmax of its block).
using Quantize8 = void (*)(const Codebook8& book, const void* source, int64_t count, int64_t blocksize, uint8_t* codes,
                           float* absmax, bool stream);

// target[i] = round(value[codes[i]] * absmax of its block); the product is rounded to float32 first.
using Dequantize8 = void (*)(const Codebook8& book, const uint8_t* codes, const float* absmax, int64_t count,
                             int64_t blocksize, void* target, bool stream);

struct Blocks8Table {
    FormatKernels<Quantize8> quantize;     // by source
    FormatKernels<Dequantize8> dequantize; // by target
};

namespace reference
{
extern const Blocks8Table blocks8; // one element at a time, by the definitions alone
}
namespace scalar
{
extern const Blocks8Table blocks8;
}
namespace avx2
{
extern const Blocks8Table blocks8;
}
namespace avx512
{
extern const Blocks8Table blocks8;
}
namespace avx512bf16
{
extern const Blocks8Table blocks8;
}

// The table of an instruction set that this machine has.
const Blocks8Table& blocks8_of(nbit_instruction_set which) noexcept;

} // namespace nbit
