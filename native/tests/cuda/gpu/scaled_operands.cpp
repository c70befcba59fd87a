#include "scaled_operands.h"
#include "cpu/float8/scaled_matrix.h"

#include <algorithm>
#include <cmath>

namespace nbit::gpu
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32;

std::vector<float> numbers_of(const Checks& checks, const Operand& operand)
{
    std::vector<float> numbers(static_cast<size_t>(operand.rows * operand.columns));
    checks.require(nbit_scaled_dequantize(
        checks.cpu(), operand.format, operand.scaling, operand.codes.data(), operand.rows, operand.columns,
        operand.scales.data(), reinterpret_cast<const float*>(operand.amax.data()), float32, numbers.data()));
    return numbers;
}

// The magnitude of element (row, term) of an operand as its product has it.
float magnitude(const Operand& operand, const std::vector<float>& numbers, int64_t row, int64_t term)
{
    const int64_t index = operand.is_transposed ? term * operand.columns + row : row * operand.columns + term;
    return std::fabs(numbers[static_cast<size_t>(index)]);
}

// Of all elements of a product, the largest sum of its terms' magnitudes.
double largest_sum(const Checks& checks, const Operand& a, const Operand& b, int64_t m, int64_t n, int64_t k)
{
    const std::vector<float> left = numbers_of(checks, a), right = numbers_of(checks, b);
    double largest = 0;
    for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) {
            double sum = 0;
            for (int64_t t = 0; t < k; ++t)
                sum += static_cast<double>(magnitude(a, left, i, t)) * static_cast<double>(magnitude(b, right, j, t));
            largest = std::max(largest, sum);
        }
    return largest;
}

// One unit in the last place, relative to a number.
double unit_of(int32_t type)
{
    return type == NBIT_DATA_TYPE_FLOAT16 ? 0x1p-10 : type == NBIT_DATA_TYPE_BFLOAT16 ? 0x1p-7 : 0x1p-23;
}

} // namespace

Operand quantized(const Checks& checks, int32_t format, int32_t scaling, bool is_transposed, int32_t type,
                  const Bytes& source, int64_t rows, int64_t columns)
{
    const bool turns = is_transposed && (scaling == NBIT_SCALING_NVFP4_1X16 || scaling == NBIT_SCALING_FLOAT8_1X128 ||
                                         scaling == NBIT_SCALING_FLOAT8_128X128);
    Operand made{format, scaling, is_transposed && !turns, turns ? columns : rows, turns ? rows : columns, {}, {}, {}};
    const ScaledMatrix layout{format, scaling, nullptr, made.rows, made.columns, nullptr, nullptr};
    made.codes = nothing(layout.rows * layout.row_bytes());
    made.scales = nothing(layout.scale_count() * data_type_size(scale_type_of(scaling)));
    made.amax = nothing(sizeof(float));
    auto* const scales = made.scales.data();
    auto* const numbers = reinterpret_cast<float*>(scales);
    auto* const amax = reinterpret_cast<float*>(made.amax.data());
    nbit_context* cpu = checks.cpu();
    checks.require(nbit_amax_compute(cpu, type, source.data(), rows * columns, amax));
    switch (scaling) {
    case NBIT_SCALING_TENSOR: {
        float scale = 0, inverse = 0;
        checks.require(nbit_scale_compute(cpu, format, 0, 0, amax, 1, &scale, &inverse));
        checks.require(nbit_float8_quantize(cpu, type, source.data(), rows, columns, format, &scale, made.codes.data(),
                                            nullptr, numbers, nullptr));
        break;
    }
    case NBIT_SCALING_FLOAT8_1X128:
    case NBIT_SCALING_FLOAT8_128X128:
        checks.require(nbit_float8_block_quantize(cpu, type, source.data(), rows, columns, turns, format, scaling, 1, 0,
                                                  made.codes.data(), numbers));
        break;
    case NBIT_SCALING_NVFP4_1X16:
        checks.require(nbit_nvfp4_quantize(cpu, type, source.data(), rows, columns, turns, 1, amax, nullptr,
                                           made.codes.data(), scales));
        break;
    default:
        checks.require(
            nbit_mxfp8_quantize(cpu, type, source.data(), rows, columns, format, scaling, made.codes.data(), scales));
    }
    return made;
}

void check_product(Checks& checks, const std::string& group, const std::string& name, const Product& product)
{
    const auto& [a, b, bias_type, bias, type, expected] = product;
    const int64_t m = a.is_transposed ? a.columns : a.rows, k = a.is_transposed ? a.rows : a.columns;
    const int64_t n = b.is_transposed ? b.columns : b.rows;
    // By the README of the golden data. Beside that, tensor cores of compute capability 9.0 keep about 14 bits while
    // they add 128 terms up (DeepSeek-V3 Technical Report, 3.3.2), also where sums of these are then made in float32.
    const double absolute =
        (0x1p-22 * std::sqrt(static_cast<double>(k)) + 0x1p-13) * largest_sum(checks, a, b, m, n, k);
    const Checks::Memory memory = {a.codes,  a.scales, a.amax, b.codes,
                                   b.scales, b.amax,   bias,   nothing(m * n * data_type_size(type))};
    const auto multiply = [&, &a = a, &b = b, &bias_type = bias_type, &type = type](nbit_context* on,
                                                                                    const Checks::Addresses& at) {
        return nbit_scaled_multiply(on, m, n, k, a.format, a.scaling, static_cast<uint8_t*>(at[0]), at[1],
                                    static_cast<float*>(at[2]), a.is_transposed, b.format, b.scaling,
                                    static_cast<uint8_t*>(at[3]), at[4], static_cast<float*>(at[5]), b.is_transposed,
                                    bias_type, at[6], 0, type, at[7]);
    };
    const auto compare = [&, &type = type](const Checks::Memory& wanted, const Checks::Memory& found) {
        return compare_numbers("target", type, wanted[7], found[7], absolute, unit_of(type));
    };
    if (expected.empty()) return checks.compare_with_cpu(group, name, memory, multiply, compare);
    checks.compare(group, name, memory, {{}, {}, {}, {}, {}, {}, {}, expected}, multiply, compare);
}

void check_float8_quantizer(Checks& checks, const std::string& group, const std::string& name, int32_t type,
                            int32_t format, const Tensor& source, const Bytes& scale, const Bytes& codes,
                            const Bytes& inverse)
{
    const int64_t columns = source.shape.back(), rows = columns ? source.count() / columns : 0;
    checks.compare(
        group, name, {source.bytes, scale, nothing(source.count()), nothing(sizeof(float))}, {{}, {}, codes, inverse},
        [&](nbit_context* on, const Checks::Addresses& a) {
            return nbit_float8_quantize(on, type, a[0], rows, columns, format, static_cast<float*>(a[1]),
                                        static_cast<uint8_t*>(a[2]), nullptr, static_cast<float*>(a[3]), nullptr);
        },
        compare_all);
}

std::vector<std::string> prefixes(const Tensors& tensors, const std::string& end)
{
    std::vector<std::string> found;
    for (const auto& [name, tensor] : tensors)
        if (name.ends_with(end)) found.push_back(name.substr(0, name.size() - end.size()));
    return found;
}

std::string compare_all(const Checks::Memory& expected, const Checks::Memory& found)
{
    for (size_t i = 0; i < expected.size(); ++i) {
        const std::string wrong = compare_exactly(("argument " + std::to_string(i)).c_str(), expected[i], found[i]);
        if (!wrong.empty()) return wrong;
    }
    return {};
}

} // namespace nbit::gpu
