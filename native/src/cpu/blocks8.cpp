#include "cpu/blocks8.h"

namespace nbit
{

const Blocks8Table& blocks8_of(nbit_instruction_set which) noexcept
{
    switch (which) {
#if defined(__x86_64__)
    case NBIT_INSTRUCTION_SET_AVX512BF16:
        return avx512bf16::blocks8;
    case NBIT_INSTRUCTION_SET_AVX512:
        return avx512::blocks8;
    case NBIT_INSTRUCTION_SET_AVX2:
        return avx2::blocks8;
#endif
    default:
        return scalar::blocks8;
    }
}

} // namespace nbit
