// The plain twin of int8 quantization by rows and columns: what every kernel must compute.
#include "cpu/rows8.h"

namespace nbit::reference
{
namespace
{

// Elements of a matrix that stand in a row, or below one another.
template <class T> struct Line {
    const void* source;
    int64_t first, step, count;

    float operator[](int64_t i) const { return to_float(load_element<T>(source, first + i * step)); }
};

bool is_outlier(float value, float threshold) { return threshold > 0 && std::fabs(value) >= threshold; }

template <class T> float absmax_of_line(const Line<T>& line, float threshold)
{
    float largest = 0;
    for (int64_t i = 0; i < line.count; ++i) {
        if (std::isnan(line[i])) largest = std::numeric_limits<float>::quiet_NaN();
        if (!is_outlier(line[i], threshold) && std::fabs(line[i]) > largest) largest = std::fabs(line[i]);
    }
    return largest;
}

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
        const Line<Source> row{source, r * columns, 1, columns};
        absmax[r] = absmax_of_line(row, threshold);
        for (int64_t c = 0; c < columns; ++c) {
            const bool outlier = is_outlier(row[c], threshold);
            if (outlier) outlier_columns[c] = 1;
            codes[r * columns + c] = outlier ? int8_t{0} : code_of(row[c], absmax[r]);
        }
    }
}

template <class Source>
void quantize_columns(const void* source, const ColumnRange& range, const uint8_t* left_out, int8_t* codes,
                      float* absmax)
{
    for (int64_t c = range.begin; c < range.end; ++c) {
        const Line<Source> column{source, c, range.columns, range.rows};
        const bool out = left_out && left_out[c];
        absmax[c] = out ? 0 : absmax_of_line(column, 0);
        for (int64_t r = 0; r < range.rows; ++r)
            codes[c * range.rows + r] = out ? int8_t{0} : code_of(column[r], absmax[c]);
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
                                    make_format_kernels<QuantizeColumns8>([]<class T> { return quantize_columns<T>; }),
                                    make_format_kernels<DequantizeRows8>([]<class T> { return dequantize<T>; })};

} // namespace nbit::reference
