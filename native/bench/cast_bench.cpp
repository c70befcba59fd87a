// Throughput of nbit_values_cast for every pair of formats and every instruction set that this machine has, as a share
// of the memory's limits, which are measured between the repetitions. Usage: nbit_cast_bench [filter] [rounds].
#include "support.h"

#include <algorithm>
#include <cstdio>

using namespace nbit::bench;

namespace
{

constexpr float scale = 3;
constexpr Format formats[] = {float32_format,
                              float16_format,
                              bfloat16_format,
                              {"float8_e4m3fn", NBIT_DATA_TYPE_FLOAT8_E4M3FN, 1},
                              {"float8_e5m2", NBIT_DATA_TYPE_FLOAT8_E5M2, 1}};

void cast(const Bench& bench, const Format& from, const Format& to, int64_t count)
{
    float amax = 0;
    check(nbit_values_cast(bench.context, from.type, bench.source.get(), count, to.type, bench.target.get(), &scale,
                           &amax));
}

Work cast_work(const Bench& bench, const Format& from, const Format& to)
{
    const int64_t count = buffer_bytes / std::max(from.size, to.size);
    return {static_cast<double>(count), static_cast<double>(count * from.size), static_cast<double>(count * to.size),
            [&bench, &from, &to, count] { cast(bench, from, to, count); }};
}

// Calls on few elements: what threads cost and bring. All data is in the caches.
void measure_short_calls(const Bench& bench, const Format& from, const Format& to)
{
    std::printf("\nMicroseconds of a call, %s to %s, best instruction set\n| elements |", from.name, to.name);
    for (int t = 1; t <= threads; ++t)
        std::printf(" %d thread%s |", t, t == 1 ? "" : "s");
    std::printf("\n|---|%s\n", "---|---|");
    for (int64_t count = 64; count <= 4 << 20; count *= 4) {
        std::printf("| %lld |", static_cast<long long>(count));
        for (int t = 1; t <= threads; ++t) {
            check(nbit_context_set_threads(bench.context, t));
            std::vector<double> batches;
            const int calls = static_cast<int>(std::max<int64_t>(1, (1 << 20) / count));
            for (int batch = 0; batch < 41; ++batch) {
                double seconds = 0;
                for (int call = 0; call < calls; ++call)
                    seconds += seconds_of([&] { cast(bench, from, to, count); });
                batches.push_back(seconds / calls);
            }
            std::printf(" %.2f |", 1e6 * median(batches));
        }
        std::printf("\n");
    }
}

void run(const std::string& filter, int rounds)
{
    Bench bench;
    int32_t best = 0;
    check(nbit_instruction_set_detect(&best));
    std::printf("%d threads, %lld MiB in the larger buffer, amax on, scale %g, median of %d rounds (range)\n\n",
                threads, static_cast<long long>(buffer_bytes >> 20), static_cast<double>(scale), rounds);
    Bench::print_head("| from | to | instruction set |");
    for (const Format& from : formats) {
        bench.prepare(from);
        for (const Format& to : formats)
            for (int32_t set = best; set >= 0; --set) {
                const std::string label = std::string(from.name) + " | " + to.name + " | " + instruction_sets[set];
                if ((from.size == 1 && to.size == 1) || label.find(filter) == std::string::npos) continue;
                check(nbit_instruction_set_force(set));
                bench.measure("| " + label + " |", cast_work(bench, from, to), rounds);
            }
    }
    check(nbit_instruction_set_force(best));
    bench.prepare(formats[0]);
    for (const Format& to : {formats[2], formats[3]})
        measure_short_calls(bench, formats[0], to);
}

} // namespace

int main(int argc, char** argv) { return run_with_arguments(argc, argv, run); }
