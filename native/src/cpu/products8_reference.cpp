// The plain twin of the products of int8 matrices: what every kernel must compute.
#include "cpu/elements.h"
#include "cpu/products8.h"
#include "cpu/rows8.h"

namespace nbit::reference
{
namespace
{

int64_t workspace_bytes(int64_t /*rows*/) { return 0; }

int64_t packed_bytes(int64_t rows, int64_t columns) { return rows * columns; }

void pack(const int8_t* codes, int64_t rows, int64_t columns, const Panels8& panels, std::byte* packed)
{
    for (int64_t r = first_row_of_panel8(rows, panels.first); r < first_row_of_panel8(rows, panels.last); ++r)
        for (int64_t k = 0; k < columns; ++k)
            packed[r * columns + k] = static_cast<std::byte>(codes[r * columns + k]);
}

void multiply(const std::byte* packed, int64_t rows, const Weight8& weight, int32_t* product, int64_t stride,
              std::byte* /*workspace*/)
{
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < weight.rows; ++c) {
            int64_t sum = 0;
            for (int64_t k = 0; k < weight.columns; ++k)
                sum += static_cast<int8_t>(packed[r * weight.columns + k]) * weight.codes[c * weight.columns + k];
            product[r * stride + c] = static_cast<int32_t>(sum);
        }
}

void multiply_outliers(const float* x, int64_t rows, const Outliers8& outliers, const Weight8& weight,
                       const float* absmax, float* product, int64_t stride, std::byte* /*workspace*/)
{
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < weight.rows; ++c) {
            float sum = 0, chain = 0;
            for (int64_t j = 0; j < outliers.count; ++j) {
                const float code = weight.codes[c * weight.columns + outliers.columns[j]], scaled = code * absmax[c];
                chain = std::fma(x[r * outliers.count + j], scaled * one_int8_step, chain);
                const bool ends = (j + 1) % outlier_chain == 0 || j + 1 == outliers.count;
                if (!ends) continue;
                sum = j < outlier_chain ? chain : sum + chain;
                chain = 0;
            }
            product[r * stride + c] = sum;
        }
}

template <class Target> void dequantize(const Product8& product, void* target, int64_t stride)
{
    for (int64_t r = 0; r < product.rows; ++r)
        for (int64_t c = 0; c < product.columns; ++c) {
            const float by_row = static_cast<float>(product.sums[r * product.stride + c]) * product.row_absmax[r];
            const float scaled = by_row * product.column_absmax[c];
            float value = product.bias ? std::fma(scaled, one_product8_step, product.bias[c]) : //
                              scaled * one_product8_step;
            if (product.addend) value += product.addend[r * product.addend_stride + c];
            store_element(target, r * stride + c, from_float<Target>(value));
        }
}

} // namespace

constinit const Products8Table products8 = {
    workspace_bytes, packed_bytes,      pack,
    multiply,        multiply_outliers, make_format_kernels<DequantizeProduct8>([]<class T> { return dequantize<T>; }),
};

} // namespace nbit::reference
