// Steps of optimizers on 16.8 M parameters for every instruction set that this machine has, as a share of the memory's
// limits, which are measured between the repetitions; and the same step on 1,000 tensors. Usage: nbit_optimizer_bench
// [filter] [rounds].
#include "support.h"

#include <cmath>
#include <cstdio>
#include <cstring>

using namespace nbit::bench;

namespace
{

constexpr int64_t parameters = 1 << 24, block = 256, many = 1000;

struct Optimizer {
    const char* name;
    int32_t rule;
    int64_t states;
    float max_unorm;
};
constexpr Optimizer optimizers[] = {
    {"adam", NBIT_OPTIMIZER_ADAM, 2, 0},         {"sgd", NBIT_OPTIMIZER_MOMENTUM, 1, 0},
    {"lion", NBIT_OPTIMIZER_LION, 1, 0},         {"rmsprop", NBIT_OPTIMIZER_RMSPROP, 1, 0},
    {"adagrad", NBIT_OPTIMIZER_ADAGRAD, 1, 0},   {"lamb", NBIT_OPTIMIZER_ADAM, 2, 1},
    {"lars", NBIT_OPTIMIZER_MOMENTUM, 1, 0.02f}, {"ademamix", NBIT_OPTIMIZER_ADEMAMIX, 3, 0}};

class Training
{
public:
    Training(const Bench& bench, const Optimizer& optimizer, const Format& format, bool is_quantized, int64_t tensors)
        : context_(bench.context), optimizer_(optimizer), format_(format), is_quantized_(is_quantized),
          counts_(static_cast<size_t>(tensors), parameters / tensors)
    {
        const int64_t size = parameters / tensors, blocks = (size + block - 1) / block, state = is_quantized ? 1 : 4;
        const int64_t first_states = optimizer.states == 3 ? 2 : 1;
        char* values = bench.target.get();
        char* states = values + parameters * 4;
        const char* gradients = bench.source.get();
        std::memset(states, 0, static_cast<size_t>(parameters * 3 * state));
        std::memcpy(values, gradients, static_cast<size_t>(parameters * format.size));
        absmax_.resize(static_cast<size_t>(3 * blocks * tensors));
        for (int64_t tensor = 0; tensor < tensors; ++tensor) {
            parameters_.push_back(values + tensor * size * format.size);
            gradients_.push_back(gradients + tensor * size * format.size);
            state1_.push_back(states + tensor * size * state * first_states);
            state2_.push_back(states + (parameters * first_states + tensor * size) * state);
            absmax1_.push_back(absmax_.data() + tensor * blocks * first_states);
            absmax2_.push_back(absmax_.data() + (tensors * first_states + tensor) * blocks);
        }
    }

    void step()
    {
        check(nbit_optimizer_step(context_, optimizer_.rule, ++step_, 1e-3f, 0.9f, 0.999f, 0.9999f, 5, 1e-8f, 0.01f, 1,
                                  optimizer_.max_unorm, 0, static_cast<int64_t>(counts_.size()), counts_.data(),
                                  format_.type, parameters_.data(), gradients_.data(),
                                  is_quantized_ ? NBIT_DATA_TYPE_UINT8 : NBIT_DATA_TYPE_FLOAT32, state1_.data(),
                                  state2_.data(), absmax1_.data(), absmax2_.data(), nullptr));
    }

    // A pass for norms reads everything once more.
    Work work()
    {
        constexpr auto count = static_cast<double>(parameters);
        const double states = static_cast<double>(optimizer_.states) * (is_quantized_ ? 1 + 4.0 / block : 4.0);
        const auto size = static_cast<double>(format_.size);
        const double read = 2 * size + states, passes = optimizer_.max_unorm > 0 ? 2 : 1;
        return {count, count * read * passes, count * (size + states), [this] { step(); }};
    }

private:
    nbit_context* context_;
    const Optimizer& optimizer_;
    const Format& format_;
    bool is_quantized_;
    int64_t step_ = 0;
    std::vector<int64_t> counts_;
    std::vector<void*> parameters_, state1_, state2_;
    std::vector<const void*> gradients_;
    std::vector<float> absmax_;
    std::vector<float*> absmax1_, absmax2_;
};

void run(const std::string& filter, int rounds)
{
    Bench bench;
    int32_t best = 0;
    check(nbit_instruction_set_detect(&best));
    std::printf("%d threads, %lld parameters, median of %d rounds (range)\n\n", threads,
                static_cast<long long>(parameters), rounds);
    Bench::print_head("| optimizer | state | parameters | tensors | instruction set |");
    for (const Format& format : {float32_format, bfloat16_format, float16_format}) {
        bench.prepare(format);
        for (const Optimizer& optimizer : optimizers)
            for (const bool is_quantized : {true, false})
                for (const int64_t tensors : {int64_t{1}, many})
                    for (int32_t set = best; set >= 0; --set) {
                        const std::string label = std::string(optimizer.name) +
                                                  (is_quantized ? " | 8 bits | " : " | 32 bits | ") + format.name +
                                                  " | " + std::to_string(tensors) + " | " + instruction_sets[set];
                        if (label.find(filter) == std::string::npos) continue;
                        check(nbit_instruction_set_force(set));
                        Training training(bench, optimizer, format, is_quantized, tensors);
                        bench.measure("| " + label + " |", training.work(), rounds);
                    }
    }
}

} // namespace

int main(int argc, char** argv) { return run_with_arguments(argc, argv, run); }
