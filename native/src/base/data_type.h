// Names and sizes of the element types of the ABI.
#pragma once
#include "nbit/nbit.h"

namespace nbit
{

constexpr const char* data_type_name(int32_t type) noexcept
{
    switch (type) {
    case NBIT_DATA_TYPE_UINT8:
        return "uint8";
    case NBIT_DATA_TYPE_INT8:
        return "int8";
    case NBIT_DATA_TYPE_INT32:
        return "int32";
    case NBIT_DATA_TYPE_INT64:
        return "int64";
    case NBIT_DATA_TYPE_FLOAT16:
        return "float16";
    case NBIT_DATA_TYPE_FLOAT32:
        return "float32";
    case NBIT_DATA_TYPE_FLOAT64:
        return "float64";
    case NBIT_DATA_TYPE_BFLOAT16:
        return "bfloat16";
    case NBIT_DATA_TYPE_FLOAT8_E5M2:
        return "float8_e5m2";
    case NBIT_DATA_TYPE_FLOAT8_E4M3FN:
        return "float8_e4m3fn";
    case NBIT_DATA_TYPE_FLOAT8_E8M0FNU:
        return "float8_e8m0fnu";
    case NBIT_DATA_TYPE_FLOAT4_E2M1FN_X2:
        return "float4_e2m1fn_x2";
    default:
        return "no type known here";
    }
}

// Bytes of an element, or of two where the type holds two; 0 for a number that names no type.
constexpr int64_t data_type_size(int32_t type) noexcept
{
    switch (type) {
    case NBIT_DATA_TYPE_UINT8:
    case NBIT_DATA_TYPE_INT8:
    case NBIT_DATA_TYPE_FLOAT8_E5M2:
    case NBIT_DATA_TYPE_FLOAT8_E4M3FN:
    case NBIT_DATA_TYPE_FLOAT8_E8M0FNU:
    case NBIT_DATA_TYPE_FLOAT4_E2M1FN_X2:
        return 1;
    case NBIT_DATA_TYPE_FLOAT16:
    case NBIT_DATA_TYPE_BFLOAT16:
        return 2;
    case NBIT_DATA_TYPE_INT32:
    case NBIT_DATA_TYPE_FLOAT32:
        return 4;
    case NBIT_DATA_TYPE_INT64:
    case NBIT_DATA_TYPE_FLOAT64:
        return 8;
    default:
        return 0;
    }
}

} // namespace nbit
