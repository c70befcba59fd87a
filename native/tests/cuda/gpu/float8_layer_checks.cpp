// Linear layers in float8, step by step: see float8_golden_checks.cpp.
#include "scaled_operands.h"

namespace nbit::gpu
{
namespace
{

constexpr int32_t bfloat16 = NBIT_DATA_TYPE_BFLOAT16;
constexpr int32_t e4m3 = NBIT_DATA_TYPE_FLOAT8_E4M3FN, e5m2 = NBIT_DATA_TYPE_FLOAT8_E5M2;

// A tensor of a step of a linear layer in float8.
Operand step_operand(const Tensors& tensors, const std::string& name, int32_t format, bool is_transposed)
{
    const Tensor& codes = tensors.at(name + ".codes");
    return {format,
            NBIT_SCALING_TENSOR,
            is_transposed,
            codes.shape[0],
            codes.shape[1],
            codes.bytes,
            tensors.at(name + ".scale_inv").bytes,
            {}};
}

// The format of gradients is the one in which their codes are those of the gradient.
int32_t format_of(Checks& checks, const Tensor& source, const Tensor& scale, const Tensor& codes)
{
    Bytes made(codes.bytes.size());
    Checks::require(nbit_float8_quantize(checks.cpu(), source.type(), source.bytes.data(), source.shape[0],
                                         source.shape[1], e5m2, reinterpret_cast<const float*>(scale.bytes.data()),
                                         made.data(), nullptr, nullptr, nullptr));
    return made == codes.bytes ? e5m2 : e4m3;
}

} // namespace

// Codes of its tensors, and its three products.
void check_golden_layers(Checks& checks, const std::string& file, const Tensors& tensors)
{
    for (const std::string& step : prefixes(tensors, ".grad_output_fp8.codes")) {
        if (!tensors.count(step + ".x_fp8.codes") || !tensors.count(step + ".w_fp8.codes")) continue;
        const auto at = [&](const char* name) -> const Tensor& { return tensors.at(step + "." + name); };
        const int32_t gradient_format =
            format_of(checks, at("grad_output"), at("grad_output_fp8.scale"), at("grad_output_fp8.codes"));
        const std::string name = file + ", " + step;
        for (const auto& [source, quantized, format] :
             {std::tuple{"x", "x_fp8", e4m3}, std::tuple{"weight", "w_fp8", e4m3},
              std::tuple{"grad_output", "grad_output_fp8", gradient_format}})
            if (tensors.count(step + "." + source) && tensors.count(step + "." + quantized + ".scale"))
                check_float8_quantizer(checks, "golden: float8 of layers", name + "." + source, at(source).type(),
                                       format, at(source), at((std::string(quantized) + ".scale").c_str()).bytes,
                                       at((std::string(quantized) + ".codes").c_str()).bytes,
                                       at((std::string(quantized) + ".scale_inv").c_str()).bytes);
        const auto operand = [&](const char* of, int32_t format, bool is_transposed) {
            return step_operand(tensors, step + "." + of, format, is_transposed);
        };
        const auto check = [&](const char* result, const Operand& a, const Operand& b, const Bytes& bias) {
            if (tensors.count(step + "." + result))
                check_product(checks, "golden: float8 products", name + "." + result,
                              {a, b, bfloat16, bias, at(result).type(), at(result).bytes});
        };
        Bytes bias; // float8 products take it in bfloat16
        if (const auto given = tensors.find("bias"); given != tensors.end()) {
            bias.resize(static_cast<size_t>(given->second.count()) * 2);
            Checks::require(given->second.type() == bfloat16
                                ? (bias = given->second.bytes, NBIT_STATUS_OK)
                                : nbit_values_cast(checks.cpu(), given->second.type(), given->second.bytes.data(),
                                                   given->second.count(), bfloat16, bias.data(), nullptr, nullptr));
        }
        check("out", operand("x_fp8", e4m3, false), operand("w_fp8", e4m3, false), bias);
        check("grad_input", operand("grad_output_fp8", gradient_format, false), operand("w_fp8", e4m3, true), {});
        check("grad_weight", operand("grad_output_fp8", gradient_format, true), operand("x_fp8", e4m3, true), {});
    }
}

} // namespace nbit::gpu
