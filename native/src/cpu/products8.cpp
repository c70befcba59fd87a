#include "cpu/products8.h"

namespace nbit
{

const Products8Table& products8_of(nbit_instruction_set which) noexcept
{
    switch (which) {
#if defined(__x86_64__)
    case NBIT_INSTRUCTION_SET_AVX512BF16:
        return avx512bf16::products8;
    case NBIT_INSTRUCTION_SET_AVX512:
        return avx512::products8;
    case NBIT_INSTRUCTION_SET_AVX2:
        return avx2::products8;
#endif
    default:
        return scalar::products8;
    }
}

} // namespace nbit
