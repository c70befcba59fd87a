// The formats that models keep their numbers in: what quantizers read and dequantizers write.
#pragma once
#include "cpu/formats.h"
#include "nbit/nbit.h"

namespace nbit
{

inline constexpr int number_format_count = 3;
inline constexpr nbit_data_type number_formats[number_format_count] = {NBIT_DATA_TYPE_FLOAT32, NBIT_DATA_TYPE_FLOAT16,
                                                                       NBIT_DATA_TYPE_BFLOAT16};

// One kernel a format.
template <class Kernel> struct FormatKernels {
    Kernel kernel[number_format_count]; // in the order of number_formats

    // Null for a type that is none of them.
    constexpr Kernel find(int32_t type) const noexcept
    {
        for (int i = 0; i < number_format_count; ++i)
            if (number_formats[i] == type) return kernel[i];
        return nullptr;
    }
};

namespace
{

// From select.operator()<T>(), the kernel for elements of type T.
template <class Kernel, class Select> consteval FormatKernels<Kernel> make_format_kernels(Select select)
{
    return {{select.template operator()<float>(), select.template operator()<Float16>(),
             select.template operator()<BFloat16>()}};
}

} // namespace

} // namespace nbit
