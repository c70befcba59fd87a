#include "cpu/linear4.h"

namespace nbit
{

const Linear4Table& linear4_of(nbit_instruction_set which) noexcept
{
    switch (which) {
#if defined(__x86_64__)
    case NBIT_INSTRUCTION_SET_AVX512BF16:
        return avx512bf16::linear4;
    case NBIT_INSTRUCTION_SET_AVX512:
        return avx512::linear4;
    case NBIT_INSTRUCTION_SET_AVX2:
        return avx2::linear4;
#endif
    default:
        return scalar::linear4;
    }
}

} // namespace nbit
