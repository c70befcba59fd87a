// The plain twin of products of scaled matrices, with sums in float64, so that it judges rather than competes.
#include "cpu/elements.h"
#include "cpu/float8/scaled_products.h"

namespace nbit::reference
{
namespace
{

float number_of_code(const ScaledMatrix& matrix, int64_t row, int64_t column)
{
    const uint8_t* codes = matrix.row(row);
    switch (matrix.format) {
    case NBIT_DATA_TYPE_FLOAT8_E4M3FN:
        return to_float(Float8E4M3{codes[column]});
    case NBIT_DATA_TYPE_FLOAT8_E5M2:
        return to_float(Float8E5M2{codes[column]});
    default:
        return to_float(Float4E2M1{static_cast<uint8_t>(codes[column / 2] >> (column % 2 * 4) & 15)});
    }
}

double element(const ScaledOperand& operand, int64_t row, int64_t term)
{
    const ScaledMatrix& matrix = operand.matrix;
    const int64_t r = operand.transposed ? term : row, c = operand.transposed ? row : term;
    return static_cast<double>(number_of_code(matrix, r, c)) *
           static_cast<double>(matrix.block_scale(matrix.scale_index(r, c)));
}

template <class T> void add_to(const ScaledProduct& product, int64_t index, int64_t column, double sum)
{
    auto number = static_cast<float>(sum);
    if (product.bias) number += product.bias[column];
    if (product.accumulate) number += to_float(load_element<T>(product.target, index));
    store_element(product.target, index, from_float<T>(number));
}

void multiply(const ScaledProduct& product, const std::byte*, const TargetPart& part, std::byte*)
{
    const double scale =
        static_cast<double>(product.a.matrix.common_scale()) * static_cast<double>(product.b.matrix.common_scale());
    for (int64_t i = part.row; i < part.row + part.rows; ++i)
        for (int64_t j = part.column; j < part.column + part.columns; ++j) {
            double sum = 0;
            for (int64_t t = 0; t < product.a.depth(); ++t)
                sum += element(product.a, i, t) * element(product.b, j, t);
            const int64_t index = i * product.b.rows() + j;
            switch (product.target_type) {
            case NBIT_DATA_TYPE_FLOAT16:
                add_to<Float16>(product, index, j, sum * scale);
                break;
            case NBIT_DATA_TYPE_BFLOAT16:
                add_to<BFloat16>(product, index, j, sum * scale);
                break;
            default:
                add_to<float>(product, index, j, sum * scale);
            }
        }
}

constexpr ScaledProductKernel kernel{
    [](int64_t, int64_t) { return int64_t{0}; },
    [](const ScaledOperand&, int64_t, int64_t, int64_t, int64_t, std::byte*) {},
    [](int64_t) { return int64_t{0}; },
    multiply,
};

} // namespace

const ScaledProductKernel& scaled_product(const ScaledProduct&) { return kernel; }

} // namespace nbit::reference
