#include "cpu/gradients8.h"

namespace nbit
{

const Gradients8Table& gradients8_of(nbit_instruction_set which) noexcept
{
    switch (which) {
#if defined(__x86_64__)
    case NBIT_INSTRUCTION_SET_AVX512BF16:
        return avx512bf16::gradients8;
    case NBIT_INSTRUCTION_SET_AVX512:
        return avx512::gradients8;
    case NBIT_INSTRUCTION_SET_AVX2:
        return avx2::gradients8;
#endif
    default:
        return scalar::gradients8;
    }
}

} // namespace nbit
