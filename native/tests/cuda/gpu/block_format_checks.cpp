// MXFP8, float8 in blocks and NVFP4: golden data as float8_golden_checks.cpp says, and random numbers.
#include "cpu/float8/scaled_matrix.h"
#include "scaled_operands.h"

namespace nbit::gpu
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32, bfloat16 = NBIT_DATA_TYPE_BFLOAT16;
constexpr int32_t e4m3 = NBIT_DATA_TYPE_FLOAT8_E4M3FN, e5m2 = NBIT_DATA_TYPE_FLOAT8_E5M2,
                  e2m1 = NBIT_DATA_TYPE_FLOAT4_E2M1FN_X2;

// How a matrix of a golden file is named: "pow2.x.columnwise_t" is the transpose of "x", with scales of powers of two.
struct Name {
    std::string variant, source, kind;
    bool is_transposed() const { return kind == "columnwise_t"; }
};

Name name_of(const std::string& prefix)
{
    const size_t last = prefix.rfind('.');
    if (last == std::string::npos) return {};
    const std::string before = prefix.substr(0, last);
    const size_t dot = before.rfind('.');
    return {dot == std::string::npos ? "" : before.substr(0, dot), before.substr(dot + 1), prefix.substr(last + 1)};
}

struct Described {
    Operand operand;
    bool power_of_two;
    int64_t block_rows; // of NVFP4
};

// What a prefix stands for; a matrix without codes where it is none.
Described described(const Tensors& tensors, const std::string& prefix)
{
    const Name name = name_of(prefix);
    const auto bytes = [&](const char* end) {
        const auto found = tensors.find(prefix + end);
        return found == tensors.end() ? Bytes() : found->second.bytes;
    };
    const bool is_e5m2 = name.kind.ends_with("_e5m2");
    Operand made{is_e5m2 ? e5m2 : e4m3, 0, false, 0, 0, bytes(".codes"), {}, {}};
    if (tensors.count(prefix + ".scales_e8m0")) {
        made.scaling = name.kind == "columnwise" ? NBIT_SCALING_MXFP8_32X1
                       : name.kind == "2d32x32"  ? NBIT_SCALING_MXFP8_32X32
                                                 : NBIT_SCALING_MXFP8_1X32;
        made.scales = bytes(".scales_e8m0");
    } else if (tensors.count(prefix + ".packed")) {
        made = {e2m1, NBIT_SCALING_NVFP4_1X16, false, 0, 0, bytes(".packed"), bytes(".scales_e4m3"), bytes(".amax")};
    } else if (tensors.count(prefix + ".scale_inv") && (name.variant == "pow2" || name.variant == "fp32")) {
        const bool is_by_rows = tensors.at(prefix + ".scale_inv").shape[0] == tensors.at(prefix + ".codes").shape[0];
        made.scaling = is_by_rows ? NBIT_SCALING_FLOAT8_1X128 : NBIT_SCALING_FLOAT8_128X128;
        made.scales = bytes(".scale_inv");
    } else {
        return {};
    }
    const Tensor& codes = tensors.at(prefix + (made.format == e2m1 ? ".packed" : ".codes"));
    made.rows = codes.shape[0];
    made.columns = codes.shape[1] * (made.format == e2m1 ? 2 : 1);
    return {made, name.variant != "fp32", name.source == "weight" ? 16 : 1};
}

int32_t quantize(nbit_context* on, const Described& d, bool transpose, int32_t type, const void* source, void* codes,
                 void* scales, void* amax)
{
    const Operand& o = d.operand;
    const int64_t rows = transpose ? o.columns : o.rows, columns = transpose ? o.rows : o.columns;
    auto* const to = static_cast<uint8_t*>(codes);
    if (o.scaling == NBIT_SCALING_NVFP4_1X16)
        return nbit_nvfp4_quantize(on, type, source, rows, columns, transpose, d.block_rows, static_cast<float*>(amax),
                                   nullptr, to, static_cast<uint8_t*>(scales));
    if (o.scaling == NBIT_SCALING_FLOAT8_1X128 || o.scaling == NBIT_SCALING_FLOAT8_128X128)
        return nbit_float8_block_quantize(on, type, source, rows, columns, transpose, o.format, o.scaling,
                                          d.power_of_two, 0, to, static_cast<float*>(scales));
    return nbit_mxfp8_quantize(on, type, source, rows, columns, o.format, o.scaling, to, static_cast<uint8_t*>(scales));
}

void check_matrix(Checks& checks, const std::string& file, const Tensors& tensors, const std::string& prefix)
{
    const Name name = name_of(prefix);
    const Described d = described(tensors, prefix);
    const auto source = tensors.find(name.source);
    if (d.operand.codes.empty() || source == tensors.end()) return;
    const Operand& o = d.operand;
    checks.compare(
        "golden: quantize " + file, prefix,
        {source->second.bytes, o.amax, nothing(static_cast<int64_t>(o.codes.size())),
         nothing(static_cast<int64_t>(o.scales.size()))},
        {{}, {}, o.codes, o.scales},
        [&](nbit_context* on, const Checks::Addresses& a) {
            return quantize(on, d, name.is_transposed(), source->second.type(), a[0], a[2], a[3], a[1]);
        },
        compare_all);
    const auto numbers = tensors.find(prefix + ".dequant");
    if (numbers == tensors.end()) return;
    checks.compare(
        "golden: dequantize " + file, prefix,
        {o.codes, o.scales, o.amax, nothing(static_cast<int64_t>(numbers->second.bytes.size()))},
        {{}, {}, {}, numbers->second.bytes},
        [&](nbit_context* on, const Checks::Addresses& a) {
            return nbit_scaled_dequantize(on, o.format, o.scaling, static_cast<uint8_t*>(a[0]), o.rows, o.columns, a[1],
                                          static_cast<float*>(a[2]), float32, a[3]);
        },
        [](const Checks::Memory& expected, const Checks::Memory& found) {
            return compare_numbers("target", float32, expected[3], found[3], 0, 0);
        });
}

// y = x w^T and the gradients, of what was quantized along the dimension that is summed over.
void check_products_of(Checks& checks, const std::string& file, const Tensors& tensors, const std::string& root)
{
    const std::string group = "golden: products of " + file;
    const auto check = [&](const std::string& result, const std::string& a, const std::string& b) {
        const auto expected = tensors.find(root + result);
        const auto operand = [&](const std::string& of) {
            Operand made = described(tensors, root + of).operand;
            made.is_transposed = made.scaling == NBIT_SCALING_MXFP8_32X1;
            return made;
        };
        if (expected == tensors.end()) return;
        const Operand left = operand(a), right = operand(b);
        if (!left.codes.empty() && !right.codes.empty())
            check_product(checks, group, root + result,
                          {left, right, bfloat16, {}, expected->second.type(), expected->second.bytes});
    };
    for (const std::string end : {"", "_f32"})
        for (const std::string across : {"columnwise", "columnwise_t"}) {
            if (across == "columnwise") check("out" + end, "x.rowwise", "weight.rowwise");
            check("grad_input" + end, "grad_output.rowwise", "weight." + across);
            check("grad_weight" + end, "grad_output." + across, "x." + across);
        }
}

struct RandomCase {
    const char* name;
    int32_t format, scaling;
};
constexpr RandomCase random_cases[] = {{"float8", e4m3, NBIT_SCALING_TENSOR},
                                       {"mxfp8", e4m3, NBIT_SCALING_MXFP8_1X32},
                                       {"float8 in blocks", e4m3, NBIT_SCALING_FLOAT8_1X128},
                                       {"nvfp4", e2m1, NBIT_SCALING_NVFP4_1X16}};

// Sizes for which scales are padded.
void check_random(Checks& checks, const RandomCase& c, int32_t type)
{
    constexpr int64_t m = 96, n = 160, k = 288;
    const Bytes left = random_elements(type, m * k, 1), right = random_elements(type, n * k, 2);
    const Operand a = quantized(checks, c.format, c.scaling, false, type, left, m, k),
                  b = quantized(checks, c.format, c.scaling, false, type, right, n, k);
    if (c.scaling != NBIT_SCALING_TENSOR)
        checks.compare(
            "quantize " + std::string(c.name), type_name(type),
            {left, a.amax, nothing(static_cast<int64_t>(a.codes.size())),
             nothing(static_cast<int64_t>(a.scales.size()))},
            {{}, {}, a.codes, a.scales},
            [&](nbit_context* on, const Checks::Addresses& at) {
                return quantize(on, {a, true, 1}, false, type, at[0], at[2], at[3], at[1]);
            },
            compare_all);
    check_product(
        checks, "products of " + std::string(c.name), type_name(type),
        {a, b, type == float32 ? bfloat16 : type, random_elements(type == float32 ? bfloat16 : type, n, 3), type, {}});
}

void check_amax(Checks& checks, int32_t type)
{
    checks.compare_with_cpu(
        "amax", type_name(type), {random_elements(type, 100003, 4), nothing(sizeof(float))},
        [&](nbit_context* on, const Checks::Addresses& a) {
            return nbit_amax_compute(on, type, a[0], 100003, static_cast<float*>(a[1]));
        },
        compare_all);
}

// Codes, the transposed ones, 1 / scale, and amax.
void check_float8(Checks& checks, int32_t type)
{
    constexpr int64_t rows = 100, columns = 72, count = rows * columns;
    for (const int32_t format : {e4m3, e5m2})
        checks.compare_with_cpu(
            "quantize float8", type_name(type),
            {random_elements(type, count, 5), bytes_of(std::vector<float>{11.5f}), nothing(count), nothing(count),
             nothing(sizeof(float)), bytes_of(std::vector<float>{0.5f})},
            [&](nbit_context* on, const Checks::Addresses& a) {
                const auto number = [&](size_t i) { return static_cast<float*>(a[i]); };
                return nbit_float8_quantize(on, type, a[0], rows, columns, format, number(1),
                                            static_cast<uint8_t*>(a[2]), static_cast<uint8_t*>(a[3]), number(4),
                                            number(5));
            },
            compare_all);
}

} // namespace

void check_golden_block_formats(Checks& checks, const std::string& file, const Tensors& tensors)
{
    for (const char* end : {".scales_e8m0", ".scale_inv", ".packed"})
        for (const std::string& prefix : prefixes(tensors, end))
            check_matrix(checks, file, tensors, prefix);
    for (const std::string& root : prefixes(tensors, "out"))
        if (root.empty() || root == "pow2." || root == "fp32.") check_products_of(checks, file, tensors, root);
}

void check_scaled_matrices(Checks& checks)
{
    for (const int32_t type : {float32, int32_t{NBIT_DATA_TYPE_FLOAT16}, bfloat16}) {
        check_amax(checks, type);
        check_float8(checks, type);
        for (const RandomCase& c : random_cases)
            check_random(checks, c, type);
    }
}

} // namespace nbit::gpu
