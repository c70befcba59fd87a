// Steps of optimizers: the contract of the kernels, and where to find them.
#pragma once
#include "cpu/codebook8.h"
#include "cpu/number_formats.h"

namespace nbit
{

inline constexpr int optimizer_count = 6;       // the values of nbit_optimizer
inline constexpr int most_optimizer_states = 3; // first moment, second moment, AdEMAMix's slow first moment
inline constexpr int64_t optimizer_block = 256; // elements of 8-bit states that share one absmax
inline constexpr int second_moment = 1;         // its state has the unsigned map
enum OptimizerStateKind { states32, states8, optimizer_state_kinds }; // indices

constexpr int states_of(int32_t optimizer) noexcept
{
    return optimizer == NBIT_OPTIMIZER_ADEMAMIX ? 3 : optimizer == NBIT_OPTIMIZER_ADAM ? 2 : 1;
}

// The 8-bit codes of states.
struct OptimizerBooks {
    Codebook8 with_sign, without_sign;

    const Codebook8& of_state(int state) const noexcept { return state == second_moment ? without_sign : with_sign; }
};
const OptimizerBooks& optimizer_books() noexcept; // prepared by the first call

// What the rules of one step compute with, all in float32.
struct OptimizerNumbers {
    float learning_rate, beta1, beta2, beta3, alpha, epsilon, weight_decay, gradient_scale;
    bool skip_zeros = false;

    // What prepare makes of them
    float rest1 = 0, rest2 = 0, rest3 = 0;  // 1 - beta
    float correction1 = 0, correction2 = 0; // 1 - beta1^step, sqrt(1 - beta2^step)
    float decay = 0;                        // 1 - learning_rate * weight_decay
    bool is_first_step = false;

    // Needs the mode of base/float_environment.h.
    void prepare(int64_t step) noexcept;
};

// Elements of one tensor that begin a block.
struct OptimizerPart {
    int64_t first, count; // in the tensor
    void* parameters;
    const void* gradients;
    void* states[most_optimizer_states];  // float32, or codes with
    float* absmax[most_optimizer_states]; // one a block
    float update_scale;                   // the trust ratio
    const uint64_t* rounding_seed;        // null to round to nearest
};

struct OptimizerNormSums {
    double parameters, direction; // of squares
};

// No memory, no threads. Nothing needs alignment. Needs the mode of base/float_environment.h.
using OptimizerStep = void (*)(const OptimizerBooks& books, const OptimizerNumbers& numbers, const OptimizerPart& part);

// The sums of each block, which step does not change. update_scale and rounding_seed are not read.
using OptimizerNorms = void (*)(const OptimizerBooks& books, const OptimizerNumbers& numbers, const OptimizerPart& part,
                                OptimizerNormSums* of_blocks);

struct OptimizerKernels {
    FormatKernels<OptimizerStep> step;
    FormatKernels<OptimizerNorms> norms;
};
struct OptimizersTable {
    OptimizerKernels kernels[optimizer_count][optimizer_state_kinds];
};

namespace reference
{
extern const OptimizersTable optimizers; // one element at a time, by the definitions alone
}
namespace scalar
{
extern const OptimizersTable optimizers;
}
namespace avx2
{
extern const OptimizersTable optimizers;
}
namespace avx512
{
extern const OptimizersTable optimizers;
}
namespace avx512bf16
{
extern const OptimizersTable optimizers;
}

// The table of an instruction set that this machine has.
const OptimizersTable& optimizers_of(nbit_instruction_set which) noexcept;

} // namespace nbit
