// Speed of the three products of a linear layer with scaled operands for every instruction set that this machine has,
// as a share of the bfloat16 (or, without those instructions, float32) arithmetic peak, which is measured between the
// repetitions. The weights take turns, so that none is in a cache. Usage: nbit_scaled_products_bench [filter] [rounds].
#include "machine_limits.h"
#include "support.h"

#include <algorithm>
#include <cstdio>

using namespace nbit::bench;

namespace
{

constexpr int64_t most_tokens = 512, features = 4096;
constexpr int32_t e4m3 = NBIT_DATA_TYPE_FLOAT8_E4M3FN, e5m2 = NBIT_DATA_TYPE_FLOAT8_E5M2;
constexpr int32_t bfloat16 = NBIT_DATA_TYPE_BFLOAT16;

struct Operand {
    int32_t format, scaling;
    const uint8_t* codes;
    const void* scales;
    int32_t transposed;
};

// Layers of one shape, and what they are given.
struct Layers : Bench {
    std::vector<uint8_t> x = std::vector<uint8_t>(most_tokens * features), gradient = x;
    std::vector<float> scales = std::vector<float>(features * features / 32, 1.0f);
    std::vector<uint8_t> exponents = std::vector<uint8_t>(features * features / 32, 127);
    std::vector<float> y = std::vector<float>(features * features);
    float scale = 50, amax = 0;

    Layers()
    {
        prepare(bfloat16_format);
        check(nbit_float8_quantize(context, bfloat16, source.get(), buffer_bytes / 2 / features, features, e4m3, &scale,
                                   weights(), nullptr, nullptr, nullptr));
        quantize(e4m3, most_tokens, x.data());
        quantize(e5m2, most_tokens, gradient.data());
    }
    void quantize(int32_t format, int64_t tokens, uint8_t* codes)
    {
        check(nbit_float8_quantize(context, bfloat16, source.get(), tokens, features, format, &scale, codes, nullptr,
                                   scales.data(), &amax));
    }
    uint8_t* weights() const { return reinterpret_cast<uint8_t*>(target.get()); }
    const uint8_t* next_weight()
    {
        last_ = (last_ + 1) % (buffer_bytes / 2 / features / features);
        return weights() + last_ * features * features;
    }
    void multiply(int64_t m, int64_t n, int64_t k, const Operand& a, const Operand& b)
    {
        check(nbit_scaled_multiply(context, m, n, k, a.format, a.scaling, a.codes, a.scales, nullptr, a.transposed,
                                   b.format, b.scaling, b.codes, b.scales, nullptr, b.transposed, 0, nullptr, 0,
                                   bfloat16, y.data()));
    }

private:
    int64_t last_ = 0;
};

struct Row {
    const char* name;
    std::function<void(Layers&, int64_t tokens)> run;
};

void forward(Layers& layers, int64_t tokens, int32_t scaling, const void* scales)
{
    layers.multiply(tokens, features, features, {e4m3, scaling, layers.x.data(), scales, 0},
                    {e4m3, scaling, layers.next_weight(), scales, 0});
}
void input_gradient(Layers& layers, int64_t tokens, int32_t scaling, const void* scales, int32_t of_columns)
{
    layers.multiply(tokens, features, features, {e5m2, scaling, layers.gradient.data(), scales, 0},
                    {e4m3, of_columns, layers.next_weight(), scales, 1});
}
void weight_gradient(Layers& layers, int64_t tokens, int32_t scaling, const void* scales)
{
    layers.multiply(features, features, tokens, {e5m2, scaling, layers.gradient.data(), scales, 1},
                    {e4m3, scaling, layers.x.data(), scales, 1});
}

const std::vector<Row> all_rows = {
    {"forward, one scale", [](Layers& l, int64_t tokens) { forward(l, tokens, NBIT_SCALING_TENSOR, l.scales.data()); }},
    {"cast and forward, one scale",
     [](Layers& l, int64_t tokens) {
         l.quantize(e4m3, tokens, l.x.data());
         forward(l, tokens, NBIT_SCALING_TENSOR, l.scales.data());
     }},
    {"gradient of x, one scale",
     [](Layers& l, int64_t tokens) {
         input_gradient(l, tokens, NBIT_SCALING_TENSOR, l.scales.data(), NBIT_SCALING_TENSOR);
     }},
    {"gradient of the weight, one scale",
     [](Layers& l, int64_t tokens) { weight_gradient(l, tokens, NBIT_SCALING_TENSOR, l.scales.data()); }},
    {"forward, MXFP8",
     [](Layers& l, int64_t tokens) { forward(l, tokens, NBIT_SCALING_MXFP8_1X32, l.exponents.data()); }},
    {"gradient of x, MXFP8",
     [](Layers& l, int64_t tokens) {
         input_gradient(l, tokens, NBIT_SCALING_MXFP8_1X32, l.exponents.data(), NBIT_SCALING_MXFP8_32X1);
     }},
    {"gradient of the weight, MXFP8",
     [](Layers& l, int64_t tokens) { weight_gradient(l, tokens, NBIT_SCALING_MXFP8_32X1, l.exponents.data()); }},
    {"forward, float8 1x128",
     [](Layers& l, int64_t tokens) { forward(l, tokens, NBIT_SCALING_FLOAT8_1X128, l.scales.data()); }}};

void measure(Layers& layers, const std::string& label, const Row& row, int64_t tokens, Arithmetic arithmetic,
             int rounds)
{
    const double operations = 2 * static_cast<double>(tokens * features * features);
    std::vector<double> times, rates, of_peak;
    row.run(layers, tokens);
    for (int round = 0; round < rounds; ++round) {
        const double peak = peak_arithmetic(arithmetic, threads, 0.05);
        const double seconds = seconds_of([&] { row.run(layers, tokens); });
        times.push_back(seconds * 1e3);
        rates.push_back(operations / seconds * 1e-9);
        of_peak.push_back(100 * operations / seconds / peak);
    }
    const auto [least, most] = std::minmax_element(times.begin(), times.end());
    std::printf("| %s | %8.3f (%8.3f to %8.3f) | %6.1f | %3.0f %% |\n", label.c_str(), median(times), *least, *most,
                median(rates), median(of_peak));
    std::fflush(stdout);
}

void run(const std::string& filter, int rounds)
{
    int32_t best = 0;
    check(nbit_instruction_set_detect(&best));
    Layers layers;
    std::printf("%d threads, weight %lld x %lld, median of %d rounds (range)\n\n", threads,
                static_cast<long long>(features), static_cast<long long>(features), rounds);
    std::printf("| work | tokens | instruction set | ms | Gop/s | of the peak |\n|---|---|---|---|---|---|\n");
    for (const int64_t tokens : {most_tokens, int64_t{64}, int64_t{1}})
        for (const Row& row : all_rows)
            for (int32_t set = best; set >= 0; --set) {
                const std::string label =
                    std::string(row.name) + " | " + std::to_string(tokens) + " | " + instruction_sets[set];
                if (label.find(filter) == std::string::npos) continue;
                check(nbit_instruction_set_force(set));
                const bool has_bfloat16 = set == NBIT_INSTRUCTION_SET_AVX512BF16;
                measure(layers, label, row, tokens, has_bfloat16 ? Arithmetic::bfloat16 : Arithmetic::float32, rounds);
            }
}

} // namespace

int main(int argc, char** argv) { return run_with_arguments(argc, argv, run); }
