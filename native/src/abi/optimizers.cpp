#include "cpu/optimizers.h"
#include "abi/arguments.h"
#include "abi/guard.h"
#include "abi/optimizer_tensors.h"
#include "abi/work.h"
#include "base/cpu.h"

using namespace nbit;

namespace
{

void require_number(const char* name, float value, bool is_allowed, const char* allowed)
{
    if (!is_allowed || !std::isfinite(value))
        throw Error(NBIT_STATUS_INVALID_ARGUMENT, "%s is %g; allowed are %s", name, static_cast<double>(value),
                    allowed);
}
void require_not_negative(const char* name, float value)
{
    require_number(name, value, value >= 0, "finite numbers, 0 or more");
}
void require_beta(const char* name, float value)
{
    require_number(name, value, value >= 0 && value < 1, "numbers from 0 to below 1");
}

void require_numbers(const OptimizerNumbers& numbers, float max_unorm)
{
    require_not_negative("learning_rate", numbers.learning_rate);
    require_beta("beta1", numbers.beta1);
    require_beta("beta2", numbers.beta2);
    require_beta("beta3", numbers.beta3);
    require_number("alpha", numbers.alpha, true, "finite numbers");
    require_not_negative("epsilon", numbers.epsilon);
    require_not_negative("weight_decay", numbers.weight_decay);
    require_number("gradient_scale", numbers.gradient_scale, true, "finite numbers (1 is usual)");
    require_not_negative("max_unorm", max_unorm);
}

const OptimizerKernels& checked_kernels(int32_t optimizer, int32_t state_type)
{
    if (optimizer < 0 || optimizer >= optimizer_count)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                    "optimizer is %d; allowed are adam (0), momentum (1), lion (2), rmsprop (3), adagrad (4) and "
                    "ademamix (5)",
                    optimizer);
    if (state_type != NBIT_DATA_TYPE_FLOAT32 && state_type != NBIT_DATA_TYPE_UINT8)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT, "state_type is %d (%s); allowed are float32 (6) and uint8 (0)",
                    state_type, data_type_name(state_type));
    return optimizers_of(instruction_set()).kernels[optimizer][state_type == NBIT_DATA_TYPE_UINT8 ? states8 : states32];
}

// The most that an update may be scaled by. The sums are added in the order of the blocks.
float trust_ratio(const OptimizerNormSums* sums, int64_t blocks, float max_unorm, float added)
{
    double parameters = 0, direction = 0;
    for (int64_t block = 0; block < blocks; ++block) {
        parameters += sums[block].parameters;
        direction += sums[block].direction;
    }
    const auto parameter_norm = static_cast<float>(std::sqrt(parameters));
    const auto norm = static_cast<float>(std::sqrt(direction)), limit = max_unorm * parameter_norm + added;
    return norm > limit ? limit / norm : 1;
}

} // namespace

int32_t nbit_optimizer_step(nbit_context* context, int32_t optimizer, int64_t step, float learning_rate, float beta1,
                            float beta2, float beta3, float alpha, float epsilon, float weight_decay,
                            float gradient_scale, float max_unorm, int32_t skip_zeros, int64_t tensors,
                            const int64_t* counts, int32_t type, void* const* parameters, const void* const* gradients,
                            int32_t state_type, void* const* state1, void* const* state2, float* const* absmax1,
                            float* const* absmax2, const uint64_t* rounding_seeds)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        const OptimizerKernels& kernels = checked_kernels(optimizer, state_type);
        const OptimizerStep kernel = checked_kernel(kernels.step, "type", type);
        if (step < 1)
            throw Error(NBIT_STATUS_INVALID_ARGUMENT, "step is %lld; allowed are 1 (the first one) and above",
                        static_cast<long long>(step));
        OptimizerNumbers numbers{.learning_rate = learning_rate,
                                 .beta1 = beta1,
                                 .beta2 = beta2,
                                 .beta3 = beta3,
                                 .alpha = alpha,
                                 .epsilon = epsilon,
                                 .weight_decay = weight_decay,
                                 .gradient_scale = gradient_scale,
                                 .skip_zeros = skip_zeros == 1};
        require_numbers(numbers, max_unorm);
        if (skip_zeros != 0 && skip_zeros != 1)
            throw Error(NBIT_STATUS_INVALID_ARGUMENT, "skip_zeros is %d; allowed are 0 and 1", skip_zeros);
        if (rounding_seeds && type != NBIT_DATA_TYPE_BFLOAT16)
            throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                        "rounding_seeds are given and type is %d (%s); stochastic rounding is for bfloat16 (15): give "
                        "null",
                        type, data_type_name(type));
        const OptimizerTensors list({optimizer, type, state_type, tensors, counts, parameters, gradients, state1,
                                     state2, absmax1, absmax2, rounding_seeds});

        const operation::StepOptimizer all{optimizer, step,    learning_rate, beta1,          beta2,         beta3,
                                           alpha,     epsilon, weight_decay,  gradient_scale, max_unorm,     skip_zeros,
                                           tensors,   counts,  type,          parameters,     gradients,     state_type,
                                           state1,    state2,  absmax1,       absmax2,        rounding_seeds};
        c.run(all, [&] {
            const DefaultFloatEnvironment environment;
            numbers.prepare(step);
            const OptimizerBooks& books = optimizer_books();
            const int32_t threads = threads_for(c, list.bytes_read(), list.bytes_written());
            constexpr int64_t grain = grain_elements / optimizer_block;
            if (max_unorm > 0) {
                const OptimizerNorms sum = kernels.norms.find(type);
                const Scratch<OptimizerNormSums> sums(list.blocks());
                share_out(threads, list.blocks(), grain, [&](int64_t begin, int64_t end) {
                    list.for_each_part(begin, end, [&](const OptimizerPart& part, int64_t block) {
                        sum(books, numbers, part, sums.data() + block);
                    });
                });
                const float added = states_of(optimizer) == 1 ? epsilon : 0;
                list.for_each_tensor([&](float& update_scale, int64_t first, int64_t blocks) {
                    update_scale = trust_ratio(sums.data() + first, blocks, max_unorm, added);
                });
            }
            share_out(threads, list.blocks(), grain, [&](int64_t begin, int64_t end) {
                list.for_each_part(begin, end,
                                   [&](const OptimizerPart& part, int64_t) { kernel(books, numbers, part); });
            });
        });
    });
}
