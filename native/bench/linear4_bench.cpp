// Time of linear layers with 4-bit weights, as a share of what limits them: a loop that only reads the codes for few
// rows, the peak of the arithmetic for many, both measured between the repetitions. Weights rotate through more memory
// than caches hold. Usage: nbit_linear4_bench [filter] [rounds].
#include "machine_limits.h"
#include "support.h"

#include <algorithm>
#include <cstdio>

using namespace nbit::bench;

namespace
{

constexpr int64_t out_features = 4096, blocksize = 64, most_rows = 512, most_features = 14336;

struct Case {
    const char* name;
    int64_t rows, in_features;
    bool is_nested, is_backward;
    Format compute; // also the type of x and y
};

// As many weights as a buffer holds, and rows of x and y.
struct Layers : Bench {
    Buffer codes = touched_buffer();
    std::vector<float> absmax, book = std::vector<float>(256);
    std::vector<uint8_t> absmax_codes;
    float offset = 0.05f;

    Layers()
    {
        for (int64_t i = 0; i < buffer_bytes; ++i)
            codes.get()[i] = static_cast<char>(static_cast<uint64_t>(i) * 0x9e3779b97f4a7c15 >> 56);
        for (int64_t i = 0; i < 2 * buffer_bytes / blocksize; ++i) {
            absmax.push_back(0.03f + 0.001f * static_cast<float>(i % 17));
            absmax_codes.push_back(static_cast<uint8_t>(i * 37));
        }
        for (size_t i = 0; i < book.size(); ++i)
            book[i] = static_cast<float>(i) / 127.5f - 1;
    }

    // Weights begin a cache line and a nested block.
    int64_t stride(const Case& c) const
    {
        constexpr int64_t unit = 256 * blocksize / 2;
        return (out_features * c.in_features / 2 + unit - 1) / unit * unit;
    }
    int64_t weight_count(const Case& c) const { return buffer_bytes / stride(c); }

    void run(const Case& c, int64_t which) const
    {
        const auto* packed = reinterpret_cast<const uint8_t*>(codes.get()) + which * stride(c);
        const int64_t block = which * stride(c) * 2 / blocksize;
        const float* scales = absmax.data() + (c.is_nested ? block / 256 : block);
        const uint8_t* scale_codes = c.is_nested ? absmax_codes.data() + block : nullptr;
        const float* scale_book = c.is_nested ? book.data() : nullptr;
        const float* scale_offset = c.is_nested ? &offset : nullptr;
        if (c.is_backward)
            check(nbit_linear4_backward(context, NBIT_QUANT_TYPE_NF4, packed, scales, scale_codes, scale_book,
                                        scale_offset, blocksize, out_features, c.in_features, c.compute.type,
                                        source.get(), c.rows, c.compute.type, target.get()));
        else
            check(nbit_linear4_forward(context, NBIT_QUANT_TYPE_NF4, packed, scales, scale_codes, scale_book,
                                       scale_offset, blocksize, out_features, c.in_features, c.compute.type,
                                       source.get(), c.rows, NBIT_DATA_TYPE_FLOAT32, nullptr, c.compute.type,
                                       target.get()));
    }

    // Of one call: every weight once where calls are short.
    double seconds(const Case& c) const
    {
        const int64_t calls = std::min(weight_count(c), std::max<int64_t>(1, 64 / c.rows));
        const int64_t first = next_;
        next_ = (next_ + calls) % weight_count(c);
        return seconds_of([&] {
                   for (int64_t i = 0; i < calls; ++i)
                       run(c, (first + i) % weight_count(c));
               }) /
               static_cast<double>(calls);
    }

private:
    mutable int64_t next_ = 0;
};

struct Limits {
    double read_seconds, float32_seconds, bfloat16_seconds;
};

Limits limits_of(const Layers& layers, const Case& c)
{
    const double terms = static_cast<double>(c.rows * out_features * c.in_features);
    const double code_bytes = static_cast<double>(out_features * c.in_features) / 2;
    constexpr double burst = 0.03;
    return {code_bytes / read_bandwidth(layers.codes.get(), buffer_bytes, threads),
            2 * terms / peak_arithmetic(Arithmetic::float32, threads, burst),
            2 * terms / peak_arithmetic(Arithmetic::bfloat16, threads, burst)};
}

void measure(const Layers& layers, const Case& c, const std::string& label, int rounds)
{
    std::vector<double> times, read, float32, bfloat16;
    layers.run(c, 0);
    for (int round = 0; round < rounds; ++round) {
        const Limits limits = limits_of(layers, c);
        const double seconds = layers.seconds(c);
        times.push_back(1e3 * seconds);
        read.push_back(100 * limits.read_seconds / seconds);
        float32.push_back(100 * limits.float32_seconds / seconds);
        bfloat16.push_back(100 * limits.bfloat16_seconds / seconds);
    }
    const auto [least, most] = std::minmax_element(times.begin(), times.end());
    std::printf("| %s | %8.3f (%.3f to %.3f) | %3.0f %% | %3.0f %% | %3.0f %% |\n", label.c_str(), median(times),
                *least, *most, median(read), median(float32), median(bfloat16));
    std::fflush(stdout);
}

// The speed of one in the terms a second of the other.
void compare(const Layers& layers, const Case& c, const Case& regular, const std::string& label, int rounds)
{
    std::vector<double> ratios;
    for (int round = 0; round < rounds; ++round) {
        const double irregular_seconds = layers.seconds(c), regular_seconds = layers.seconds(regular);
        ratios.push_back(regular_seconds / irregular_seconds * static_cast<double>(c.in_features) /
                         static_cast<double>(regular.in_features));
    }
    std::printf("| %s | %.2f of the speed of %lld |\n", label.c_str(), median(ratios),
                static_cast<long long>(regular.in_features));
    std::fflush(stdout);
}

std::string label_of(const Case& c, int32_t set)
{
    return std::string(c.name) + " | " + c.compute.name + " | " + std::to_string(c.rows) + " | " +
           std::to_string(c.in_features) + " | " + instruction_sets[set];
}

void run(const std::string& filter, int rounds)
{
    Layers layers;
    int32_t best = 0;
    check(nbit_instruction_set_detect(&best));
    std::vector<Case> cases;
    for (const Format& compute : {bfloat16_format, float32_format, float16_format}) {
        for (const int64_t rows : {1, 2, 4, 8, 16, 32, 64, 512})
            cases.push_back({"nf4", rows, most_features, false, false, compute});
        for (const int64_t rows : {1, 4, 16})
            cases.push_back({"nf4-dq", rows, most_features, true, false, compute});
        cases.push_back({"nf4 gradient of x", most_rows, most_features, false, true, compute});
    }
    std::printf("%d threads, %lld out_features, median of %d rounds (range)\n\n", threads,
                static_cast<long long>(out_features), rounds);
    std::printf("| work | compute | rows | in_features | instruction set | ms | of reading | of float32 | of bfloat16 "
                "|\n|---|---|---|---|---|---|---|---|---|\n");
    const auto is_wanted = [&](const std::string& label) { return label.find(filter) != std::string::npos; };
    for (const Format& format : {bfloat16_format, float32_format, float16_format}) {
        layers.prepare(format);
        for (const Case& c : cases)
            for (int32_t set = best; set > 0 && c.compute.type == format.type; --set) {
                const std::string label = label_of(c, set);
                if (!is_wanted(label)) continue;
                check(nbit_instruction_set_force(set));
                measure(layers, c, label, rounds);
            }
    }
    std::printf("\n| work | compute | rows | in_features | instruction set | speed |\n|---|---|---|---|---|---|\n");
    for (const Format& format : {bfloat16_format, float32_format}) {
        layers.prepare(format);
        for (const int64_t rows : {1, 512})
            for (const int64_t in_features : {4100, 4097})
                for (int32_t set = best; set > 0; --set) {
                    const Case c{"irregular rows", rows, in_features, false, false, format};
                    const Case regular{"", rows, 4096, false, false, format};
                    const std::string label = label_of(c, set);
                    if (!is_wanted(label)) continue;
                    check(nbit_instruction_set_force(set));
                    compare(layers, c, regular, label, rounds);
                }
    }
}

} // namespace

int main(int argc, char** argv) { return run_with_arguments(argc, argv, run); }
