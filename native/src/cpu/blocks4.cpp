#include "cpu/blocks4.h"

namespace nbit
{

const Blocks4Table& blocks4_of(nbit_instruction_set which) noexcept
{
    switch (which) {
#if defined(__x86_64__)
    case NBIT_INSTRUCTION_SET_AVX512BF16:
        return avx512bf16::blocks4;
    case NBIT_INSTRUCTION_SET_AVX512:
        return avx512::blocks4;
    case NBIT_INSTRUCTION_SET_AVX2:
        return avx2::blocks4;
#endif
    default:
        return scalar::blocks4;
    }
}

} // namespace nbit
