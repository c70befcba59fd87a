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

const ScaledRowsTable& scaled_rows_of(nbit_instruction_set /*which*/) noexcept { return reference::scaled_rows; }

} // namespace nbit
