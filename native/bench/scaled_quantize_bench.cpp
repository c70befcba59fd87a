// Throughput of the quantizers of scaled matrices for every instruction set that this machine has, as a share of the
// memory's limits, which are measured between the repetitions. Usage: nbit_scaled_quantize_bench [filter] [rounds].
#include "support.h"

#include <cstdio>

using namespace nbit::bench;

namespace
{

constexpr int64_t columns = 4096;
constexpr int32_t e4m3 = NBIT_DATA_TYPE_FLOAT8_E4M3FN;

struct Quantizers : Bench {
    // Memory for what belongs to the codes: as many scales as the smallest blocks have.
    std::vector<float> scales = std::vector<float>(buffer_bytes / 2 / 16 / 4);
    float scale = 50, scale_inverse = 0, amax = 8;
    uint64_t seed = 1;
    uint8_t* codes() const { return reinterpret_cast<uint8_t*>(target.get()); }
    uint8_t* bytes_of_scales() { return reinterpret_cast<uint8_t*>(scales.data()); }
};

struct Row {
    const char* name;
    double bytes_written; // an element
    std::function<void(Quantizers&, const Format&, int64_t rows)> run;
};

void quantize(Quantizers& q, const Format& from, int64_t rows, uint8_t* codes, uint8_t* transposed, float* amax)
{
    check(nbit_float8_quantize(q.context, from.type, q.source.get(), rows, columns, e4m3, &q.scale, codes, transposed,
                               &q.scale_inverse, amax));
}

void quantize_mxfp8(Quantizers& q, const Format& from, int64_t rows, int32_t scaling)
{
    check(nbit_mxfp8_quantize(q.context, from.type, q.source.get(), rows, columns, e4m3, scaling, q.codes(),
                              q.bytes_of_scales()));
}

void quantize_blocks(Quantizers& q, const Format& from, int64_t rows, int32_t transpose, int32_t scaling)
{
    check(nbit_float8_block_quantize(q.context, from.type, q.source.get(), rows, columns, transpose, e4m3, scaling, 1,
                                     0, q.codes(), q.scales.data()));
}

void quantize_nvfp4(Quantizers& q, const Format& from, int64_t rows, int32_t transpose, const uint64_t* seed)
{
    check(nbit_nvfp4_quantize(q.context, from.type, q.source.get(), rows, columns, transpose, 1, &q.amax, seed,
                              q.codes(), q.bytes_of_scales()));
}

const std::vector<Row> all_rows = {
    {"amax", 0,
     [](Quantizers& q, const Format& from, int64_t rows) {
         check(nbit_amax_compute(q.context, from.type, q.source.get(), rows * columns, &q.amax));
     }},
    {"E4M3 with scale and amax", 1,
     [](Quantizers& q, const Format& from, int64_t rows) { quantize(q, from, rows, q.codes(), nullptr, &q.amax); }},
    {"E4M3 and its transpose", 2,
     [](Quantizers& q, const Format& from, int64_t rows) {
         quantize(q, from, rows, q.codes(), q.codes() + buffer_bytes / 2, &q.amax);
     }},
    {"MXFP8 1x32", 1 + 1.0 / 32,
     [](Quantizers& q, const Format& from, int64_t rows) { quantize_mxfp8(q, from, rows, NBIT_SCALING_MXFP8_1X32); }},
    {"MXFP8 32x1", 1 + 1.0 / 32,
     [](Quantizers& q, const Format& from, int64_t rows) { quantize_mxfp8(q, from, rows, NBIT_SCALING_MXFP8_32X1); }},
    {"MXFP8 32x32", 1,
     [](Quantizers& q, const Format& from, int64_t rows) { quantize_mxfp8(q, from, rows, NBIT_SCALING_MXFP8_32X32); }},
    {"float8 1x128", 1 + 4.0 / 128,
     [](Quantizers& q, const Format& from, int64_t rows) {
         quantize_blocks(q, from, rows, 0, NBIT_SCALING_FLOAT8_1X128);
     }},
    {"float8 1x128 of the transpose", 1 + 4.0 / 128,
     [](Quantizers& q, const Format& from, int64_t rows) {
         quantize_blocks(q, from, rows, 1, NBIT_SCALING_FLOAT8_1X128);
     }},
    {"float8 128x128", 1,
     [](Quantizers& q, const Format& from, int64_t rows) {
         quantize_blocks(q, from, rows, 0, NBIT_SCALING_FLOAT8_128X128);
     }},
    {"NVFP4", 0.5 + 1.0 / 16,
     [](Quantizers& q, const Format& from, int64_t rows) { quantize_nvfp4(q, from, rows, 0, nullptr); }},
    {"NVFP4 of the transpose", 0.5 + 1.0 / 16,
     [](Quantizers& q, const Format& from, int64_t rows) { quantize_nvfp4(q, from, rows, 1, nullptr); }},
    {"NVFP4, stochastic", 0.5 + 1.0 / 16,
     [](Quantizers& q, const Format& from, int64_t rows) { quantize_nvfp4(q, from, rows, 0, &q.seed); }},
};

void run(const std::string& filter, int rounds)
{
    Quantizers quantizers;
    int32_t best = 0;
    check(nbit_instruction_set_detect(&best));
    std::printf("%d threads, %lld MiB to read, rows of %lld, median of %d rounds (range)\n\n", threads,
                static_cast<long long>(buffer_bytes / 2 >> 20), static_cast<long long>(columns), rounds);
    Bench::print_head("| quantize to | from | instruction set |");
    for (const Format& format : {float32_format, bfloat16_format}) {
        quantizers.prepare(format);
        const int64_t rows = buffer_bytes / 2 / format.size / columns;
        const auto count = static_cast<double>(rows * columns);
        for (const Row& row : all_rows)
            for (int32_t set = best; set >= 0; --set) {
                const std::string label = std::string(row.name) + " | " + format.name + " | " + instruction_sets[set];
                if (label.find(filter) == std::string::npos) continue;
                check(nbit_instruction_set_force(set));
                quantizers.measure("| " + label + " |",
                                   {count, count * static_cast<double>(format.size), count * row.bytes_written,
                                    [&] { row.run(quantizers, format, rows); }},
                                   rounds);
            }
    }
}

} // namespace

int main(int argc, char** argv) { return run_with_arguments(argc, argv, run); }
