// Checks of arguments that exports of scaled matrices share.
#pragma once
#include "abi/arguments.h"
#include "cpu/float8/scaled_matrix.h"

namespace nbit
{

inline void require_float8_format(const char* name, int32_t format)
{
    if (format != NBIT_DATA_TYPE_FLOAT8_E4M3FN && format != NBIT_DATA_TYPE_FLOAT8_E5M2)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT, "%s is %d (%s); allowed are float8_e4m3fn (24) and float8_e5m2 (23)",
                    name, format, data_type_name(format));
}

// An argument that says yes or no.
inline bool checked_flag(const char* name, int32_t value)
{
    if (value != 0 && value != 1)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT, "%s is %d; allowed are 0 and 1", name, value);
    return value == 1;
}

inline void require_finite(const char* name, float value, bool is_allowed, const char* allowed)
{
    if (!is_allowed || !std::isfinite(value))
        throw Error(NBIT_STATUS_INVALID_ARGUMENT, "%s is %g; allowed are %s", name, static_cast<double>(value),
                    allowed);
}

// The names of the arguments that a scaled matrix consists of.
struct ScaledMatrixNames {
    const char *format, *scaling, *codes, *scales, *amax;
};

// The memory that belongs to a matrix.
struct ScaledMatrixRegions {
    Region codes, scales, amax;
};

// Throws where format and scaling are none or do not go together.
inline void require_scaling(const ScaledMatrixNames& names, int32_t format, int32_t scaling)
{
    if (scaling < NBIT_SCALING_TENSOR || scaling > NBIT_SCALING_NVFP4_1X16)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                    "%s is %d; allowed are tensor (0), mxfp8_1x32 (1), mxfp8_32x1 (2), mxfp8_32x32 (3), float8_1x128 "
                    "(4), float8_128x128 (5) and nvfp4_1x16 (6)",
                    names.scaling, scaling);
    if (scaling != NBIT_SCALING_NVFP4_1X16) return require_float8_format(names.format, format);
    if (format != NBIT_DATA_TYPE_FLOAT4_E2M1FN_X2)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT, "%s is %d (%s); with nvfp4_1x16 it must be float4_e2m1fn_x2 (45)",
                    names.format, format, data_type_name(format));
}

// Checks sizes and that all memory is there that the matrix needs.
inline ScaledMatrixRegions checked_regions(const ScaledMatrixNames& names, const ScaledMatrix& matrix,
                                           const Extent& rows, const Extent& columns)
{
    checked_bytes(rows, columns, sizeof(float)); // what elements become
    const int64_t scale_bytes = matrix.scale_count() * data_type_size(scale_type_of(matrix.scaling));
    const int64_t amax_bytes = matrix.scaling == NBIT_SCALING_NVFP4_1X16 ? sizeof(float) : 0;
    const ScaledMatrixRegions regions{{names.codes, matrix.codes, matrix.row_bytes() * matrix.rows},
                                      {names.scales, matrix.scales, scale_bytes},
                                      {names.amax, matrix.amax, amax_bytes}};
    require_memory({regions.codes, regions.scales, regions.amax});
    return regions;
}

} // namespace nbit
