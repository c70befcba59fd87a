#include "cpu/float8/scaled_products.h"

namespace nbit
{

ChooseScaledProduct scaled_products_of(nbit_instruction_set which) noexcept
{
    switch (which) {
#if defined(__x86_64__)
    case NBIT_INSTRUCTION_SET_AVX512BF16:
        return avx512bf16::scaled_product;
    case NBIT_INSTRUCTION_SET_AVX512:
        return avx512::scaled_product;
    case NBIT_INSTRUCTION_SET_AVX2:
        return avx2::scaled_product;
#endif
    default:
        return scalar::scaled_product;
    }
}

} // namespace nbit
