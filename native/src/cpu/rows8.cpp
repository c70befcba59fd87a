#include "cpu/rows8.h"

#include <algorithm>
#include <cstring>

namespace nbit
{

const Rows8Table& rows8_of(nbit_instruction_set which) noexcept
{
    switch (which) {
#if defined(__x86_64__)
    case NBIT_INSTRUCTION_SET_AVX512BF16:
        return avx512bf16::rows8;
    case NBIT_INSTRUCTION_SET_AVX512:
        return avx512::rows8;
    case NBIT_INSTRUCTION_SET_AVX2:
        return avx2::rows8;
#endif
    default:
        return scalar::rows8;
    }
}

void clear_columns(int8_t* codes, int64_t rows, int64_t columns, const uint8_t* flags) noexcept
{
    if (columns == 0) return;
    constexpr int64_t height = 64; // so many rows stay in a cache while their columns are cleared
    const uint8_t* const end = flags + columns;
    const auto next = [&](const uint8_t* from) {
        return static_cast<const uint8_t*>(std::memchr(from, 1, static_cast<size_t>(end - from)));
    };
    for (int64_t first = 0; first < rows; first += height, codes += height * columns)
        for (const uint8_t* flag = next(flags); flag; flag = next(flag + 1))
            for (int64_t r = 0; r < std::min(height, rows - first); ++r)
                codes[r * columns + (flag - flags)] = 0;
}

} // namespace nbit
