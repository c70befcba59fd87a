// Speed of int8 products and layers for every instruction set that this machine has, as a share of the int8 arithmetic
// peak and of a loop that only reads the weight, which are measured between the repetitions. The weights take turns, so
// that none is in a cache. Usage: nbit_linear8_bench [filter] [rounds].
#include "machine_limits.h"
#include "support.h"

#include <algorithm>
#include <cstdio>
#include <random>

using namespace nbit::bench;

namespace
{

struct Shape {
    int64_t outputs, inputs;
};

// Weights of one shape, and what they are multiplied with.
class Layers
{
public:
    static constexpr int64_t most_rows = 512;

    explicit Layers(const Shape& shape)
        : x(static_cast<size_t>(most_rows * shape.inputs)),
          y(static_cast<size_t>(most_rows * std::max(shape.outputs, shape.inputs))),
          absmax(static_cast<size_t>(std::max(shape.outputs, shape.inputs)), 0.1f), shape_(shape),
          count_(buffer_bytes / (shape.outputs * shape.inputs))
    {
        check(nbit_context_create(NBIT_DEVICE_KIND_CPU, 0, threads, &context));
        for (int64_t i = 0; i < buffer_bytes; ++i)
            codes_.get()[i] = static_cast<char>(static_cast<uint64_t>(i) * 0x9e3779b97f4a7c15 >> 56);
    }
    ~Layers() { nbit_context_destroy(context); }
    Layers(const Layers&) = delete;

    // Normally distributed numbers, which are below the usual threshold, and so many columns of outliers.
    void prepare(const Format& format, int64_t outliers)
    {
        std::mt19937 random(1);
        std::normal_distribution<float> normal;
        std::vector<float> numbers(static_cast<size_t>(most_rows * shape_.inputs));
        for (float& number : numbers)
            number = std::clamp(normal(random), -5.5f, 5.5f);
        for (int64_t j = 0; j < outliers; ++j)
            for (int64_t row = 0; row < most_rows; ++row)
                numbers[static_cast<size_t>(row * shape_.inputs + j * shape_.inputs / outliers)] = 20;
        const auto count = static_cast<int64_t>(numbers.size());
        check(nbit_values_cast(context, NBIT_DATA_TYPE_FLOAT32, numbers.data(), count, format.type, x.data(), nullptr,
                               nullptr));
    }

    const Shape& shape() const { return shape_; }
    const int8_t* next_weight()
    {
        last_ = (last_ + 1) % count_;
        return reinterpret_cast<const int8_t*>(codes_.get()) + last_ * shape_.outputs * shape_.inputs;
    }

    nbit_context* context = nullptr;
    std::vector<float> x, y, absmax;

private:
    Shape shape_;
    int64_t count_, last_ = 0;
    Buffer codes_ = touched_buffer();
};

struct Row {
    std::string work;
    int64_t rows;
    std::function<void(Layers&, int64_t rows, const Format&)> run;
};

void multiply(Layers& layers, int64_t rows, const Format&)
{
    const auto [outputs, inputs] = layers.shape();
    check(nbit_int8_multiply(layers.context, reinterpret_cast<const int8_t*>(layers.x.data()), layers.next_weight(),
                             rows, outputs, inputs, reinterpret_cast<int32_t*>(layers.y.data())));
}

void forward(Layers& layers, int64_t rows, const Format& format)
{
    const auto [outputs, inputs] = layers.shape();
    check(nbit_linear8_forward(layers.context, layers.next_weight(), layers.absmax.data(), outputs, inputs, format.type,
                               layers.x.data(), rows, 6, format.type, layers.absmax.data(), layers.y.data()));
}

void backward(Layers& layers, int64_t rows, const Format& format)
{
    const auto [outputs, inputs] = layers.shape();
    check(nbit_linear8_backward(layers.context, layers.next_weight(), layers.absmax.data(), outputs, inputs,
                                format.type, layers.x.data(), rows, layers.y.data()));
}

void measure(Layers& layers, const std::string& label, const Row& row, const Format& format, int rounds)
{
    const auto [outputs, inputs] = layers.shape();
    const auto weights = static_cast<double>(outputs * inputs);
    const double operations = 2 * static_cast<double>(row.rows) * weights;
    std::vector<double> times, rates, peaks, of_peak, of_read;
    row.run(layers, row.rows, format);
    for (int round = 0; round < rounds; ++round) {
        const double peak = peak_arithmetic(Arithmetic::int8, threads, 0.05);
        const double read = read_bandwidth(layers.next_weight(), outputs * inputs, threads);
        const double seconds = seconds_of([&] { row.run(layers, row.rows, format); });
        times.push_back(seconds * 1e3);
        rates.push_back(operations / seconds * 1e-9);
        peaks.push_back(peak * 1e-9);
        of_peak.push_back(100 * operations / seconds / peak);
        of_read.push_back(100 * weights / seconds / read);
    }
    const auto [least, most] = std::minmax_element(times.begin(), times.end());
    std::printf("| %s | %7.3f (%7.3f to %7.3f) | %6.1f | %6.1f | %3.0f %% | %3.0f %% |\n", label.c_str(), median(times),
                *least, *most, median(rates), median(peaks), median(of_peak), median(of_read));
    std::fflush(stdout);
}

void run(const std::string& filter, int rounds)
{
    int32_t best = 0;
    check(nbit_instruction_set_detect(&best));
    std::printf("%d threads, %lld MiB of weights in turn, median of %d rounds (range)\n\n", threads,
                static_cast<long long>(buffer_bytes >> 20), rounds);
    std::printf(
        "| work | weight | rows | x | outlier columns | instruction set | ms | Gop/s | int8 peak Gop/s | of the "
        "peak | of reading |\n|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (const Shape& shape : {Shape{4096, 14336}, Shape{4096, 4096}}) {
        Layers layers(shape);
        const std::string weight = std::to_string(shape.outputs) + " x " + std::to_string(shape.inputs);
        for (const Format& format : {float16_format, bfloat16_format, float32_format})
            for (const int64_t outliers : {int64_t{0}, shape.inputs / 1000, shape.inputs / 100}) {
                layers.prepare(format, outliers);
                std::vector<Row> rows;
                for (const int64_t count : {512, 64, 16, 4, 1})
                    rows.push_back({"int8 layer", count, forward});
                if (outliers == 0) {
                    rows.push_back({"its gradient", 512, backward});
                    for (const int64_t count : {512, 1})
                        rows.push_back({"int8 product", count, multiply});
                }
                for (const Row& row : rows)
                    for (int32_t set = best; set >= 0; --set) {
                        const std::string label = row.work + " | " + weight + " | " + std::to_string(row.rows) + " | " +
                                                  format.name + " | " + std::to_string(outliers) + " | " +
                                                  instruction_sets[set];
                        if (label.find(filter) == std::string::npos) continue;
                        check(nbit_instruction_set_force(set));
                        measure(layers, label, row, format, rounds);
                    }
            }
    }
}

} // namespace

int main(int argc, char** argv) { return run_with_arguments(argc, argv, run); }
