#include "cpu/cast.h"

namespace nbit
{
namespace
{

int position(int32_t type) noexcept
{
    for (int i = 0; i < cast_format_count; ++i)
        if (cast_formats[i] == type) return i;
    return -1;
}

} // namespace

CastKernel CastTable::find(int32_t source_type, int32_t target_type) const noexcept
{
    const int source = position(source_type), target = position(target_type);
    return source < 0 || target < 0 ? nullptr : kernel[source][target];
}

const CastTable& casts_of(nbit_instruction_set which) noexcept
{
    switch (which) {
#if defined(__x86_64__)
    case NBIT_INSTRUCTION_SET_AVX512BF16:
        return avx512bf16::casts;
    case NBIT_INSTRUCTION_SET_AVX512:
        return avx512::casts;
    case NBIT_INSTRUCTION_SET_AVX2:
        return avx2::casts;
#endif
    default:
        return scalar::casts;
    }
}

} // namespace nbit
