#include "cpu/float8/scaled_rows.h"

namespace nbit
{
namespace
{

int position(int32_t format) noexcept
{
    int i = 0;
    while (code_formats[i] != format)
        ++i;
    return i;
}

} // namespace

EncodeRow ScaledRowsTable::encoder(int32_t format, int32_t source_type) const noexcept
{
    return encode[position(format)].find(source_type);
}

DecodeRow ScaledRowsTable::decoder(int32_t format, int32_t target_type) const noexcept
{
    return decode[position(format)].find(target_type);
}

const ScaledRowsTable& scaled_rows_of(nbit_instruction_set which) noexcept
{
    switch (which) {
#if defined(__x86_64__)
    case NBIT_INSTRUCTION_SET_AVX512BF16:
        return avx512bf16::scaled_rows;
    case NBIT_INSTRUCTION_SET_AVX512:
        return avx512::scaled_rows;
    case NBIT_INSTRUCTION_SET_AVX2:
        return avx2::scaled_rows;
#endif
    default:
        return scalar::scaled_rows;
    }
}

} // namespace nbit
