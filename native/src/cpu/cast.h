// Casts target[i] = round(source[i] * scale): the contract of the kernels, and where to find them.
#pragma once
#include "cpu/formats.h"
#include "nbit/nbit.h"

namespace nbit
{

// A pure function on two contiguous ranges that do not overlap: no memory, no threads, no state. Casts `count` elements
// by the conversions of formats.h; the product is rounded to float32 first. Returns max |source[i]|, NaN left out, 0 if
// nothing is left. `scale` is finite. No pointer needs any alignment. `stream`: write past the caches, for outputs
// that do not fit them (no line is read in order to be overwritten). Needs the mode of base/float_environment.h.
using CastKernel = float (*)(const void* source, int64_t count, float scale, void* target, bool stream);

// The formats in the order of the tables.
inline constexpr nbit_data_type cast_formats[] = {NBIT_DATA_TYPE_FLOAT32, NBIT_DATA_TYPE_FLOAT16,
                                                  NBIT_DATA_TYPE_BFLOAT16, NBIT_DATA_TYPE_FLOAT8_E4M3FN,
                                                  NBIT_DATA_TYPE_FLOAT8_E5M2};
inline constexpr int cast_format_count = 5;

// One kernel a pair; null from float8 to float8.
struct CastTable {
    CastKernel kernel[cast_format_count][cast_format_count]; // [source][target]

    // Null for a pair that does not exist, whatever the numbers.
    CastKernel find(int32_t source_type, int32_t target_type) const noexcept;
};

namespace reference
{
extern const CastTable casts; // one element at a time, by the definitions alone
}
namespace scalar
{
extern const CastTable casts;
}
namespace avx2
{
extern const CastTable casts;
}
namespace avx512
{
extern const CastTable casts;
}
namespace avx512bf16
{
extern const CastTable casts;
}

// The table of an instruction set that this machine has.
const CastTable& casts_of(nbit_instruction_set which) noexcept;

namespace
{

// Makes a table at compile time from select.operator()<Target, Source>(), the kernel for a pair.
template <class Select> consteval CastTable make_cast_table(Select select)
{
    const auto row = [&]<class Source>(CastKernel(&kernels)[cast_format_count], Source) {
        kernels[0] = select.template operator()<float, Source>();
        kernels[1] = select.template operator()<Float16, Source>();
        kernels[2] = select.template operator()<BFloat16, Source>();
        if constexpr (!Float8<Source>) {
            kernels[3] = select.template operator()<Float8E4M3, Source>();
            kernels[4] = select.template operator()<Float8E5M2, Source>();
        }
    };
    CastTable table{};
    row(table.kernel[0], float{});
    row(table.kernel[1], Float16{});
    row(table.kernel[2], BFloat16{});
    row(table.kernel[3], Float8E4M3{});
    row(table.kernel[4], Float8E5M2{});
    return table;
}

} // namespace

} // namespace nbit
