// Throughput of nbit_values_cast for every pair of formats and every instruction set that this machine has, as a share
// of the memory's limits, which are measured between the repetitions. Usage: nbit_cast_bench [filter] [rounds].
#include "machine_limits.h"
#include "nbit/nbit.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace
{

constexpr int threads = 2;
constexpr int64_t buffer_bytes = 384 << 20; // of the larger of source and target
constexpr float scale = 3;

struct Format {
    const char* name;
    int32_t type;
    int64_t size;
};
constexpr Format formats[] = {{"float32", NBIT_DATA_TYPE_FLOAT32, 4},
                              {"float16", NBIT_DATA_TYPE_FLOAT16, 2},
                              {"bfloat16", NBIT_DATA_TYPE_BFLOAT16, 2},
                              {"float8_e4m3fn", NBIT_DATA_TYPE_FLOAT8_E4M3FN, 1},
                              {"float8_e5m2", NBIT_DATA_TYPE_FLOAT8_E5M2, 1}};
constexpr const char* instruction_sets[] = {"scalar", "avx2", "avx512", "avx512bf16"};

void check(int32_t status)
{
    if (status == NBIT_STATUS_OK) return;
    const char* message = "";
    nbit_error_message(&message);
    throw std::runtime_error(message);
}

struct Free {
    void operator()(char* memory) const { std::free(memory); }
};
using Buffer = std::unique_ptr<char, Free>;

Buffer touched_buffer()
{
    Buffer buffer(static_cast<char*>(std::aligned_alloc(4096, buffer_bytes)));
    if (!buffer) throw std::bad_alloc();
    std::memset(buffer.get(), 0, buffer_bytes);
    return buffer;
}

struct Bench {
    Buffer numbers = touched_buffer(), source = touched_buffer(), target = touched_buffer();
    nbit_context* context = nullptr;

    Bench()
    {
        check(nbit_context_create(NBIT_DEVICE_KIND_CPU, 0, threads, &context));
        std::mt19937 random(1);
        std::normal_distribution<float> normal;
        std::vector<float> pattern(1 << 20);
        for (float& x : pattern)
            x = normal(random);
        for (int64_t at = 0; at < buffer_bytes; at += 4 << 20)
            std::memcpy(numbers.get() + at, pattern.data(), 4 << 20);
    }
    ~Bench() { nbit_context_destroy(context); }
    Bench(const Bench&) = delete;

    double cast_seconds(const Format& from, const Format& to, int64_t count)
    {
        float amax = 0;
        const auto start = std::chrono::steady_clock::now();
        check(nbit_values_cast(context, from.type, source.get(), count, to.type, target.get(), &scale, &amax));
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }

    // Fills the source with numbers in its format.
    void prepare(const Format& from)
    {
        const int64_t count = buffer_bytes / 4;
        for (int64_t copy = 0; copy < 4 / from.size; ++copy)
            check(nbit_values_cast(context, NBIT_DATA_TYPE_FLOAT32, numbers.get(), count, from.type,
                                   source.get() + copy * count * from.size, nullptr, nullptr));
    }
};

double median(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

void measure_from_memory(Bench& bench, const Format& from, const Format& to, const char* set, int rounds)
{
    const int64_t count = buffer_bytes / std::max(from.size, to.size);
    const auto bytes_read = static_cast<double>(count * from.size);
    const double bytes = bytes_read + static_cast<double>(count * to.size);
    std::vector<double> rates, shares_of_copy, shares_of_read, copies;
    bench.cast_seconds(from, to, count);
    for (int round = 0; round < rounds; ++round) {
        const double read = nbit::bench::read_bandwidth(bench.numbers.get(), buffer_bytes, threads);
        const double copy = nbit::bench::copy_bandwidth(bench.numbers.get(), bench.target.get(), buffer_bytes, threads);
        const double seconds = bench.cast_seconds(from, to, count);
        rates.push_back(static_cast<double>(count) / seconds * 1e-9);
        copies.push_back(copy * 1e-9);
        shares_of_copy.push_back(100 * bytes / seconds / copy);
        shares_of_read.push_back(100 * bytes_read / seconds / read);
    }
    const auto [least, most] = std::minmax_element(rates.begin(), rates.end());
    std::printf("| %-13s | %-13s | %-10s | %5.2f (%5.2f to %5.2f) | %5.1f | %5.1f | %3.0f %% | %3.0f %% |\n", from.name,
                to.name, set, median(rates), *least, *most, median(rates) * bytes / static_cast<double>(count),
                median(copies), median(shares_of_copy), median(shares_of_read));
    std::fflush(stdout);
}

// Calls on few elements: what threads cost and bring. All data is in the caches.
void measure_short_calls(Bench& bench, const Format& from, const Format& to)
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
                    seconds += bench.cast_seconds(from, to, count);
                batches.push_back(seconds / calls);
            }
            std::printf(" %.2f |", 1e6 * median(batches));
        }
        std::printf("\n");
    }
}

int run(const std::string& filter, int rounds)
{
    Bench bench;
    int32_t best = 0;
    check(nbit_instruction_set_detect(&best));
    std::printf("%d threads, %lld MiB in the larger buffer, amax on, scale %g, median of %d rounds (range)\n\n",
                threads, static_cast<long long>(buffer_bytes >> 20), static_cast<double>(scale), rounds);
    std::printf("| from | to | instruction set | Gelem/s | GB/s | streaming copy GB/s | of the copy | of reading |\n"
                "|---|---|---|---|---|---|---|---|\n");
    for (const Format& from : formats) {
        bench.prepare(from);
        for (const Format& to : formats)
            for (int32_t set = best; set >= 0; --set) {
                const std::string label = std::string(from.name) + " " + to.name + " " + instruction_sets[set];
                if ((from.size == 1 && to.size == 1) || label.find(filter) == std::string::npos) continue;
                check(nbit_instruction_set_force(set));
                measure_from_memory(bench, from, to, instruction_sets[set], rounds);
            }
    }
    check(nbit_instruction_set_force(best));
    bench.prepare(formats[0]);
    for (const Format& to : {formats[2], formats[3]})
        measure_short_calls(bench, formats[0], to);
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    try {
        return run(argc > 1 ? argv[1] : "", argc > 2 ? std::max(1, std::atoi(argv[2])) : 11);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
