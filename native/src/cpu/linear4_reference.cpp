// The plain twin of products with a 4-bit weight: what every kernel must compute, with sums in float64, so that it
// judges rather than competes.
#include "cpu/elements.h"
#include "cpu/linear4.h"

namespace nbit::reference
{
namespace
{

float to_float_from(int32_t type, const void* elements, int64_t index)
{
    switch (type) {
    case NBIT_DATA_TYPE_FLOAT16:
        return to_float(load_element<Float16>(elements, index));
    case NBIT_DATA_TYPE_BFLOAT16:
        return to_float(load_element<BFloat16>(elements, index));
    default:
        return load_element<float>(elements, index);
    }
}

float rounded_to(int32_t type, float value)
{
    switch (type) {
    case NBIT_DATA_TYPE_FLOAT16:
        return to_float(from_float<Float16>(value));
    case NBIT_DATA_TYPE_BFLOAT16:
        return to_float(from_float<BFloat16>(value));
    default:
        return value;
    }
}

void store_as(int32_t type, float value, void* elements, int64_t index)
{
    switch (type) {
    case NBIT_DATA_TYPE_FLOAT16:
        return store_element(elements, index, from_float<Float16>(value));
    case NBIT_DATA_TYPE_BFLOAT16:
        return store_element(elements, index, from_float<BFloat16>(value));
    default:
        return store_element(elements, index, value);
    }
}

float weight_at(const Product4& product, int64_t row, int64_t column)
{
    const Weight4& w = product.weight;
    const int64_t element = row * w.columns + column;
    const float value = w.table[code_of_element(w, element)] * scale_of_block(w.scales, element / w.blocksize);
    return rounded_to(product.compute_type, value);
}

template <bool is_forward> void multiply(const Product4& p, const void*, int64_t begin, int64_t end, void*)
{
    const int64_t depth = is_forward ? p.weight.columns : p.weight.rows;
    const int64_t width = is_forward ? p.weight.rows : p.weight.columns;
    for (int64_t row = 0; row < p.rows; ++row)
        for (int64_t column = begin; column < end; ++column) {
            double sum = 0;
            for (int64_t k = 0; k < depth; ++k) {
                const float x = rounded_to(p.compute_type, to_float_from(p.type, p.x, row * depth + k));
                const float w = is_forward ? weight_at(p, column, k) : weight_at(p, k, column);
                sum += static_cast<double>(x) * static_cast<double>(w);
            }
            if (p.bias) sum += static_cast<double>(p.bias[column]);
            store_as(p.type, rounded_to(p.compute_type, static_cast<float>(sum)), p.y, row * width + column);
        }
}

int64_t nothing(const Product4&) { return 0; }
void pack_nothing(const Product4&, int64_t, int64_t, void*) {}

template <bool is_forward>
constexpr Linear4Kernel kernel{nothing, nothing, pack_nothing, nothing, 1, multiply<is_forward>};

const Linear4Kernel& forward(const Product4&) { return kernel<true>; }
const Linear4Kernel& backward(const Product4&) { return kernel<false>; }

} // namespace

constinit const Linear4Table linear4 = {forward, backward};

} // namespace nbit::reference
