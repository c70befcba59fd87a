// 4-bit block quantization: the contract of the kernels, and where to find them.
#pragma once
#include "cpu/block_scales.h"
#include "cpu/codes4.h"
#include "cpu/number_formats.h"

namespace nbit
{

// Pure functions on ranges that begin a block: no memory, no threads, no state. blocksize is a power of two in 32 to
// 4096; the last block may be shorter. Elements and codes need no alignment. `stream`: write what is larger, codes or
// numbers, past the caches where it is aligned. Need the mode of base/float_environment.h.

// packed[i / 2] gets the code of source[i] * block_reciprocal(absmax), an even i in the upper half of the byte; the
// half that an odd count leaves gets the code of zero.
using Quantize4 = void (*)(const void* source, int64_t count, int64_t blocksize, float* absmax, uint8_t* packed,
                           bool stream);

// target[i] = round(table[code] * scale of its block); the product is rounded to float32 first.
using Dequantize4 = void (*)(const uint8_t* packed, const BlockScales& scales, int64_t count, int64_t blocksize,
                             void* target, bool stream);

// The kernels for one code.
struct Blocks4Kernels {
    FormatKernels<Quantize4> quantize;     // by source
    FormatKernels<Dequantize4> dequantize; // by target
};

struct Blocks4Table {
    Blocks4Kernels fp4, nf4;

    // quant_type is one of nbit_quant_type.
    const Blocks4Kernels& of(int32_t quant_type) const noexcept
    {
        return quant_type == NBIT_QUANT_TYPE_NF4 ? nf4 : fp4;
    }
};

namespace reference
{
extern const Blocks4Table blocks4; // one element at a time, by the definitions alone
}
namespace scalar
{
extern const Blocks4Table blocks4;
}
namespace avx2
{
extern const Blocks4Table blocks4;
}
namespace avx512
{
extern const Blocks4Table blocks4;
}
namespace avx512bf16
{
extern const Blocks4Table blocks4;
}

// The table of an instruction set that this machine has.
const Blocks4Table& blocks4_of(nbit_instruction_set which) noexcept;

namespace
{

// From quantize.operator()<Code, Source>() and dequantize.operator()<Code, Target>().
template <class Quantize, class Dequantize>
consteval Blocks4Table make_blocks4_table(Quantize quantize, Dequantize dequantize)
{
    const auto kernels = [&]<class Code>(Code) {
        return Blocks4Kernels{
            make_format_kernels<Quantize4>([&]<class T> { return quantize.template operator()<Code, T>(); }),
            make_format_kernels<Dequantize4>([&]<class T> { return dequantize.template operator()<Code, T>(); })};
    };
    return {kernels(Fp4{}), kernels(Nf4{})};
}

} // namespace

} // namespace nbit
