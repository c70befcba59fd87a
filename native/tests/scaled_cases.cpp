#include "scaled_cases.h"
#include "cpu/elements.h"

#include <random>

namespace nbit::test
{

const char* name_of(nbit_scaling scaling)
{
    const char* const names[] = {"Tensor",       "Mxfp8_1x32",     "Mxfp8_32x1", "Mxfp8_32x32",
                                 "Float8_1x128", "Float8_128x128", "Nvfp4_1x16"};
    return names[scaling];
}

StoredMatrix random_matrix(int32_t scaling, int32_t format, int64_t rows, int64_t columns, Scales scales, unsigned seed)
{
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    const bool is_nvfp4 = scaling == NBIT_SCALING_NVFP4_1X16;
    StoredMatrix stored{is_nvfp4 ? NBIT_DATA_TYPE_FLOAT4_E2M1FN_X2 : format, scaling, rows, columns, {}, {}, 1.7f};
    const ScaledMatrix layout = stored.matrix();
    for (int64_t i = 0; i < rows * layout.row_bytes(); ++i) {
        const float number = normal(random);
        stored.codes.push_back(is_nvfp4                               ? static_cast<uint8_t>(random())
                               : format == NBIT_DATA_TYPE_FLOAT8_E5M2 ? from_float<Float8E5M2>(number).bits
                                                                      : from_float<Float8E4M3>(number).bits);
    }
    std::vector<float> floats;
    for (int64_t i = 0; i < layout.scale_count(); ++i) {
        const int exponent = static_cast<int>(random() % 7) - 3;
        if (scale_type_of(scaling) == NBIT_DATA_TYPE_FLOAT8_E8M0FNU)
            stored.scales.push_back(static_cast<uint8_t>(exponent_bias + exponent));
        else if (is_nvfp4)
            stored.scales.push_back(static_cast<uint8_t>(0x30 + random() % 32));
        else
            floats.push_back(
                std::ldexp(scales == Scales::any ? 1 + static_cast<float>(random() % 1000) / 1024 : 1.0f, exponent));
    }
    if (!floats.empty()) stored.scales = bytes_of(floats);
    return stored;
}

float number_of_code(int32_t format, uint8_t code)
{
    switch (format) {
    case NBIT_DATA_TYPE_FLOAT8_E4M3FN:
        return to_float(Float8E4M3{code});
    case NBIT_DATA_TYPE_FLOAT8_E5M2:
        return to_float(Float8E5M2{code});
    default:
        return to_float(Float4E2M1{code});
    }
}

uint8_t code_of_element(const ScaledMatrix& matrix, int64_t row, int64_t column)
{
    const uint8_t* codes = matrix.row(row);
    if (!matrix.holds_pairs()) return codes[column];
    return static_cast<uint8_t>(codes[column / 2] >> (column % 2 * 4) & 15);
}

} // namespace nbit::test
