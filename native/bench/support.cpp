#include "support.h"
#include "machine_limits.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <random>
#include <stdexcept>

namespace nbit::bench
{

void check(int32_t status)
{
    if (status == NBIT_STATUS_OK) return;
    const char* message = "";
    nbit_error_message(&message);
    throw std::runtime_error(message);
}

Buffer touched_buffer()
{
    Buffer buffer(static_cast<char*>(std::aligned_alloc(4096, buffer_bytes)));
    if (!buffer) throw std::bad_alloc();
    std::memset(buffer.get(), 0, buffer_bytes);
    return buffer;
}

double seconds_of(const std::function<void()>& call)
{
    const auto start = std::chrono::steady_clock::now();
    call();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

Bench::Bench()
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

void Bench::prepare(const Format& format)
{
    const int64_t count = buffer_bytes / 4;
    for (int64_t copy = 0; copy < 4 / format.size; ++copy)
        check(nbit_values_cast(context, NBIT_DATA_TYPE_FLOAT32, numbers.get(), count, format.type,
                               source.get() + copy * count * format.size, nullptr, nullptr));
}

void Bench::measure(const std::string& label, const Work& work, int rounds)
{
    const double bytes = work.bytes_read + work.bytes_written;
    std::vector<double> rates, shares_of_copy, shares_of_read, copies;
    work.run();
    for (int round = 0; round < rounds; ++round) {
        const double read = read_bandwidth(numbers.get(), buffer_bytes, threads);
        const double copy = copy_bandwidth(numbers.get(), target.get(), buffer_bytes, threads);
        const double seconds = seconds_of(work.run);
        rates.push_back(work.elements / seconds * 1e-9);
        copies.push_back(copy * 1e-9);
        shares_of_copy.push_back(100 * bytes / seconds / copy);
        shares_of_read.push_back(100 * work.bytes_read / seconds / read);
    }
    const auto [least, most] = std::minmax_element(rates.begin(), rates.end());
    std::printf("%s %5.2f (%5.2f to %5.2f) | %5.1f | %5.1f | %3.0f %% | %3.0f %% |\n", label.c_str(), median(rates),
                *least, *most, median(rates) * bytes / work.elements, median(copies), median(shares_of_copy),
                median(shares_of_read));
    std::fflush(stdout);
}

void Bench::print_head(const std::string& labels)
{
    std::printf("%s Gelem/s | GB/s | streaming copy GB/s | of the copy | of reading |\n|", labels.c_str());
    for (auto columns = std::count(labels.begin(), labels.end(), '|') + 4; columns > 0; --columns)
        std::printf("---|");
    std::printf("\n");
}

int run_with_arguments(int argc, char** argv, const std::function<void(const std::string& filter, int rounds)>& run)
{
    try {
        run(argc > 1 ? argv[1] : "", argc > 2 ? std::max(1, std::atoi(argv[2])) : 11);
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}

} // namespace nbit::bench
