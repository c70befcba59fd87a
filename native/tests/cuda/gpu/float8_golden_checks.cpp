// Float8 and float4, against the data that was derived from Transformer Engine's rules: the names are explained in the
// README beside it. What is exact there is exact here.
#include "scaled_operands.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace nbit::gpu
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32, bfloat16 = NBIT_DATA_TYPE_BFLOAT16;
constexpr int32_t e4m3 = NBIT_DATA_TYPE_FLOAT8_E4M3FN, e5m2 = NBIT_DATA_TYPE_FLOAT8_E5M2;
constexpr std::pair<const char*, int32_t> formats[] = {{"e4m3", e4m3}, {"e5m2", e5m2}};

// Of float32, where any are expected.
std::string compare_floats(const Checks::Memory& expected, const Checks::Memory& found)
{
    for (size_t i = 0; i < expected.size(); ++i) {
        const std::string wrong = compare_numbers("number", float32, expected[i], found[i], 0, 0);
        if (!wrong.empty()) return "argument " + std::to_string(i) + ": " + wrong;
    }
    return {};
}

void check_casts(Checks& checks, const Tensors& tensors)
{
    for (const auto& [format_name, format] : formats) {
        for (const auto& [type_name, type] :
             {std::pair{"bf16", bfloat16}, std::pair{"f16", int32_t{NBIT_DATA_TYPE_FLOAT16}}}) {
            const std::string name = std::string(type_name) + "_to_" + format_name;
            const auto codes = tensors.find(name);
            if (codes == tensors.end()) continue;
            Tensor patterns{"", {1, codes->second.count()}, Bytes(codes->second.bytes.size() * 2)};
            for (size_t i = 0; i < patterns.bytes.size(); ++i)
                patterns.bytes[i] = static_cast<unsigned char>(i % 2 == 0 ? i / 2 : i / 512);
            check_float8_quantizer(checks, "golden: casts to float8", name, type, format, patterns, {},
                                   codes->second.bytes, {});
        }
        const std::string name = std::string("f32_to_") + format_name;
        if (tensors.count(name) && tensors.count("f32_in"))
            check_float8_quantizer(checks, "golden: casts to float8", name, float32, format, tensors.at("f32_in"), {},
                                   tensors.at(name).bytes, {});
    }
}

// "max448.pow2_0.eps1e-3.scale" is that of "amax".
void check_scales(Checks& checks, const Tensors& tensors)
{
    const auto amax = tensors.find("amax");
    if (amax == tensors.end()) return;
    for (const std::string& prefix : prefixes(tensors, ".scale")) {
        int32_t largest = 0, power_of_two = 0;
        float epsilon = 0;
        if (std::sscanf(prefix.c_str(), "max%d.pow2_%d.eps%f", &largest, &power_of_two, &epsilon) != 3) continue;
        const int64_t count = amax->second.count(), bytes = count * int64_t{sizeof(float)};
        checks.compare(
            "golden: scales of amax", prefix, {amax->second.bytes, nothing(bytes), nothing(bytes)},
            {{}, tensors.at(prefix + ".scale").bytes, tensors.at(prefix + ".scale_inv").bytes},
            [&](nbit_context* on, const Checks::Addresses& a) {
                return nbit_scale_compute(on, largest == 448 ? e4m3 : e5m2, power_of_two, epsilon,
                                          static_cast<float*>(a[0]), count, static_cast<float*>(a[1]),
                                          static_cast<float*>(a[2]));
            },
            compare_floats);
    }
}

// "fused.L16.max.margin2.e4m3.scale" are the scales after each step of "amax_in"; histories are the CPU's.
void check_histories(Checks& checks, const Tensors& tensors)
{
    const auto steps = tensors.find("amax_in");
    if (steps == tensors.end()) return;
    const int64_t columns = steps->second.shape.back();
    const size_t row_bytes = static_cast<size_t>(columns) * sizeof(float);
    for (const std::string& prefix : prefixes(tensors, ".scale")) {
        char rule_name[16], algorithm_name[16], format_name[8];
        long long length = 0;
        int margin = 0;
        if (std::sscanf(prefix.c_str(), "%15[a-z].L%lld.%15[a-z_].margin%d.%7[a-z0-9]", rule_name, &length,
                        algorithm_name, &margin, format_name) != 5)
            continue;
        const int32_t rule = std::strcmp(rule_name, "fused") == 0    ? NBIT_HISTORY_RULE_FUSED
                             : std::strcmp(rule_name, "kernel") == 0 ? NBIT_HISTORY_RULE_SINGLE_TENSOR
                                                                     : NBIT_HISTORY_RULE_UNFUSED;
        const int32_t algorithm =
            std::strcmp(algorithm_name, "max") == 0 ? NBIT_AMAX_ALGORITHM_MAX : NBIT_AMAX_ALGORITHM_MOST_RECENT;
        const int32_t format = std::strcmp(format_name, "e4m3") == 0 ? e4m3 : e5m2;
        const auto update = [&](nbit_context* on, const Checks::Addresses& a) {
            return nbit_amax_history_update(on, rule, algorithm, format, static_cast<float>(margin),
                                            static_cast<float*>(a[0]), length, columns, static_cast<float*>(a[1]));
        };
        const Bytes& scales = tensors.at(prefix + ".scale").bytes;
        Bytes history(static_cast<size_t>(length) * row_bytes);
        Bytes scale = bytes_of(std::vector<float>(static_cast<size_t>(columns), 1));
        for (size_t step = 0; step < static_cast<size_t>(steps->second.shape[0]); ++step) {
            std::copy_n(steps->second.bytes.begin() + static_cast<int64_t>(step * row_bytes), row_bytes,
                        history.begin());
            const Checks::Memory before = {history, scale};
            Checks::require(update(checks.cpu(), {history.data(), scale.data()}));
            const auto expected = scales.begin() + static_cast<int64_t>(step * row_bytes);
            checks.compare("golden: amax histories", prefix + ", step " + std::to_string(step), before,
                           {history, Bytes(expected, expected + static_cast<int64_t>(row_bytes))}, update,
                           compare_floats);
        }
    }
}

} // namespace

void check_golden_float8(Checks& checks, const std::string& directory)
{
    const std::filesystem::path folder = std::filesystem::path(directory) / "float8";
    if (!std::filesystem::exists(folder)) return;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() != ".safetensors") continue;
        const Tensors tensors = read_safetensors(entry.path());
        const std::string name = entry.path().stem();
        check_casts(checks, tensors);
        check_scales(checks, tensors);
        check_histories(checks, tensors);
        check_golden_layers(checks, name, tensors);
        check_golden_block_formats(checks, name, tensors);
    }
}

} // namespace nbit::gpu
