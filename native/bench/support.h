// What the benchmarks of kernels share: buffers, calls that throw, and a measurement beside the machine's limits.
#pragma once
#include "nbit/nbit.h"

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace nbit::bench
{

inline constexpr int threads = 2;
inline constexpr int64_t buffer_bytes = 384 << 20; // many times the last-level cache
inline constexpr const char* instruction_sets[] = {"scalar", "avx2", "avx512", "avx512bf16"};

// Throws the library's message.
void check(int32_t status);

struct Free {
    void operator()(char* memory) const { std::free(memory); }
};
using Buffer = std::unique_ptr<char, Free>;
// Of buffer_bytes, in memory that the process has.
Buffer touched_buffer();

double seconds_of(const std::function<void()>& call);
double median(std::vector<double> values);

struct Format {
    const char* name;
    int32_t type;
    int64_t size;
};
inline constexpr Format float32_format{"float32", NBIT_DATA_TYPE_FLOAT32, 4};
inline constexpr Format float16_format{"float16", NBIT_DATA_TYPE_FLOAT16, 2};
inline constexpr Format bfloat16_format{"bfloat16", NBIT_DATA_TYPE_BFLOAT16, 2};

// A call and what it moves.
struct Work {
    double elements, bytes_read, bytes_written;
    std::function<void()> run;
};

// Buffers full of normally distributed numbers, and a context.
class Bench
{
public:
    Bench();
    ~Bench() { nbit_context_destroy(context); }
    Bench(const Bench&) = delete;

    Buffer numbers = touched_buffer(), source = touched_buffer(), target = touched_buffer();
    nbit_context* context = nullptr;

    // Fills the source with the numbers in another format.
    void prepare(const Format& format);

    // Prints a line of a table: `label`, elements and bytes a second (median, least and most of the rounds), and the
    // bytes as a share of a streaming copy and of a loop that only reads, which run in turn with the work.
    void measure(const std::string& label, const Work& work, int rounds);
    // The head of that table, whose label has these columns.
    static void print_head(const std::string& labels);
};

// run(filter, rounds) with the program's arguments; exceptions become exit code 1.
int run_with_arguments(int argc, char** argv, const std::function<void(const std::string& filter, int rounds)>& run);

} // namespace nbit::bench
