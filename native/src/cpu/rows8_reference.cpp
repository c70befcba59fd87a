// The plain twin of int8 quantization by rows and columns: what every kernel must compute.
#include "cpu/rows8.h"

namespace nbit::reference
{
namespace
{

bool is_outlier(float value, float threshold) { return threshold > 0 && std::fabs(value) >= threshold; }

int8_t code_of(float value, float absmax)
{
    if (is_special(absmax)) return special_code_of_row(value, absmax);
    return static_cast<int8_t>(std::nearbyint(value * row_scale(absmax)));
}

template <class Source>
void quantize(const void* source, int64_t rows, int64_t columns, float threshold, int8_t* codes, float* absmax,
              uint8_t* outlier_columns, bool /*stream*/)
{
    for (int64_t r = 0; r < rows; ++r) {
        const auto value = [&](int64_t c) { return to_float(load_element<Source>(source, r * columns + c)); };
        float largest = 0;
        for (int64_t c = 0; c < columns; ++c) {
            if (std::isnan(value(c))) largest = std::numeric_limits<float>::quiet_NaN();
            if (!is_outlier(value(c), threshold) && std::fabs(value(c)) > largest) largest = std::fabs(value(c));
        }
        absmax[r] = largest;
        for (int64_t c = 0; c < columns; ++c) {
            const bool outlier = is_outlier(value(c), threshold);
            if (outlier) outlier_columns[c] = 1;
            codes[r * columns + c] = outlier ? int8_t{0} : code_of(value(c), largest);
        }
    }
}

template <class Source> void raise_columns(const void* source, const MatrixPart& part, uint32_t* largest)
{
    for (int64_t r = 0; r < part.rows; ++r)
        for (int64_t c = 0; c < part.columns; ++c) {
            const uint32_t bits = magnitude_bits(to_float(load_element<Source>(source, r * part.stride + c)));
            if (bits > largest[c]) largest[c] = bits;
        }
}

template <class Source>
void quantize_columns(const void* source, const MatrixPart& part, const float* absmax, int8_t* codes,
                      int64_t code_stride, bool /*stream*/)
{
    for (int64_t r = 0; r < part.rows; ++r)
        for (int64_t c = 0; c < part.columns; ++c) {
            const float value = to_float(load_element<Source>(source, r * part.stride + c));
            codes[c * code_stride + r] = std::fabs(value) > absmax[c] ? int8_t{0} : code_of(value, absmax[c]);
        }
}

template <class Target>
void dequantize(const int8_t* codes, const float* absmax, int64_t rows, int64_t columns, void* target, bool /*stream*/)
{
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t i = r * columns; i < (r + 1) * columns; ++i) {
            const float product = static_cast<float>(codes[i]) * absmax[r];
            store_element(target, i, from_float<Target>(product * one_int8_step));
        }
}

} // namespace

constinit const Rows8Table rows8 = {make_format_kernels<QuantizeRows8>([]<class T> { return quantize<T>; }),
                                    make_format_kernels<RaiseColumns8>([]<class T> { return raise_columns<T>; }),
                                    make_format_kernels<QuantizeColumns8>([]<class T> { return quantize_columns<T>; }),
                                    make_format_kernels<DequantizeRows8>([]<class T> { return dequantize<T>; })};

} // namespace nbit::reference
