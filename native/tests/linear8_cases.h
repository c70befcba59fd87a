// Layers, what they are given and what they must give, which the tests of int8 linear layers share.
#pragma once
#include "cpu/products8.h"
#include "inputs.h"
#include "nbit/nbit.h"

#include <functional>

namespace nbit::test
{

struct Shape {
    int64_t rows, outputs, inputs;
};

// A layer, what it is given and the gradient of what it gives.
struct Layer {
    Shape shape;
    int32_t type;
    std::vector<int8_t> codes;
    std::vector<float> absmax;
    Bytes x, bias, gradient;
    float threshold = 6;

    const void* bias_or_null() const { return bias.empty() ? nullptr : bias.data(); }
    int64_t output_bytes() const { return shape.rows * shape.outputs * data_type_size(type); }
    int64_t input_bytes() const { return shape.rows * shape.inputs * data_type_size(type); }
};

std::vector<float> magnitudes(int64_t count, unsigned seed);
Layer make_layer(const Shape& shape, int32_t type);
// Every `step`-th column of x gets an outlier in some row.
void add_outliers(Layer& layer, int64_t step);

// By the reference twins: an int8 product with what belongs to it, whose bias and addend may be empty,
Bytes dequantized_product(const std::vector<int8_t>& a, const std::vector<float>& row_absmax, const Weight8& weight,
                          const std::vector<float>& column_absmax, const std::vector<float>& bias,
                          const std::vector<float>& addend, int32_t type);
// and the layer, composed of its parts.
Bytes expected_forward(const Layer& layer);

// By the ABI.
using Call = std::function<int32_t(nbit_context*, const Layer&, void*)>;
int32_t forward(nbit_context* context, const Layer& layer, void* y);
int32_t backward(nbit_context* context, const Layer& layer, void* grad_x);
// What a call writes, between guards.
Bytes result_of(const Call& call, const Layer& layer, int64_t bytes, int32_t threads);

} // namespace nbit::test
