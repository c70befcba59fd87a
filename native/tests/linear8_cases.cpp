#include "linear8_cases.h"
#include "abi.h"
#include "cpu/rows8.h"
#include "guarded.h"

#include <cmath>

namespace nbit::test
{

std::vector<float> magnitudes(int64_t count, unsigned seed)
{
    std::vector<float> numbers = random_numbers(Numbers::ordinary, count, seed);
    for (float& x : numbers)
        x = std::fabs(x);
    return numbers;
}

Layer make_layer(const Shape& shape, int32_t type)
{
    return {shape,
            type,
            random_codes(shape.outputs * shape.inputs, 1),
            magnitudes(shape.outputs, 2),
            rounded(type, random_numbers(Numbers::ordinary, shape.rows * shape.inputs, 3)),
            rounded(type, random_numbers(Numbers::ordinary, shape.outputs, 4)),
            rounded(type, random_numbers(Numbers::ordinary, shape.rows * shape.outputs, 5))};
}

void add_outliers(Layer& layer, int64_t step)
{
    std::vector<float> x = widened(layer.type, layer.x);
    for (int64_t c = 0, row = 0; c < layer.shape.inputs; c += step, ++row)
        x[static_cast<size_t>(row % layer.shape.rows * layer.shape.inputs + c)] = c % 2 ? 6 : -23.5f;
    layer.x = rounded(layer.type, x);
}

Bytes dequantized_product(const std::vector<int8_t>& a, const std::vector<float>& row_absmax, const Weight8& weight,
                          const std::vector<float>& column_absmax, const std::vector<float>& bias,
                          const std::vector<float>& addend, int32_t type)
{
    const Products8Table& twin = reference::products8;
    const auto rows = static_cast<int64_t>(row_absmax.size());
    std::vector<int32_t> sums(static_cast<size_t>(rows * weight.rows));
    twin.multiply(reinterpret_cast<const std::byte*>(a.data()), rows, weight, sums.data(), weight.rows, nullptr);
    Bytes target(sums.size() * static_cast<size_t>(data_type_size(type)));
    twin.dequantize.find(type)({sums.data(), rows, weight.rows, weight.rows, row_absmax.data(), column_absmax.data(),
                                bias.empty() ? nullptr : bias.data(), addend.empty() ? nullptr : addend.data(),
                                weight.rows},
                               target.data(), weight.rows);
    return target;
}

Bytes expected_forward(const Layer& layer)
{
    const auto [rows, outputs, inputs] = layer.shape;
    const Bytes x = rounded(NBIT_DATA_TYPE_FLOAT16, widened(layer.type, layer.x));
    std::vector<int8_t> codes(static_cast<size_t>(rows * inputs));
    std::vector<float> absmax(static_cast<size_t>(rows)), apart, addend;
    Bytes flags(static_cast<size_t>(inputs));
    reference::rows8.quantize.find(NBIT_DATA_TYPE_FLOAT16)(x.data(), rows, inputs, layer.threshold, codes.data(),
                                                           absmax.data(), flags.data(), false);
    clear_columns(codes.data(), rows, inputs, flags.data());
    const Weight8 weight{layer.codes.data(), outputs, inputs};
    std::vector<int64_t> columns;
    for (int64_t c = 0; c < inputs; ++c)
        if (flags[static_cast<size_t>(c)]) columns.push_back(c);
    if (!columns.empty()) {
        const std::vector<float> numbers = widened(NBIT_DATA_TYPE_FLOAT16, x);
        for (int64_t r = 0; r < rows; ++r)
            for (const int64_t c : columns)
                apart.push_back(numbers[static_cast<size_t>(r * inputs + c)]);
        addend.resize(static_cast<size_t>(rows * outputs));
        reference::products8.multiply_outliers(apart.data(), rows,
                                               {columns.data(), static_cast<int64_t>(columns.size())}, weight,
                                               layer.absmax.data(), addend.data(), outputs, nullptr);
    }
    return dequantized_product(codes, absmax, weight, layer.absmax, widened(layer.type, layer.bias), addend,
                               layer.type);
}

int32_t forward(nbit_context* context, const Layer& layer, void* y)
{
    return nbit_linear8_forward(context, layer.codes.data(), layer.absmax.data(), layer.shape.outputs,
                                layer.shape.inputs, layer.type, layer.x.data(), layer.shape.rows, layer.threshold,
                                layer.type, layer.bias_or_null(), y);
}

int32_t backward(nbit_context* context, const Layer& layer, void* grad_x)
{
    return nbit_linear8_backward(context, layer.codes.data(), layer.absmax.data(), layer.shape.outputs,
                                 layer.shape.inputs, layer.type, layer.gradient.data(), layer.shape.rows, grad_x);
}

Bytes result_of(const Call& call, const Layer& layer, int64_t bytes, int32_t threads)
{
    const Context context = cpu_context(threads);
    Guarded<char> target(bytes, 3);
    EXPECT_EQ(call(context.get(), layer, target.data()), NBIT_STATUS_OK) << last_error();
    EXPECT_TRUE(target.is_intact());
    return target.bytes();
}

} // namespace nbit::test
