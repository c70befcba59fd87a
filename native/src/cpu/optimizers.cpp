#include "cpu/optimizers.h"
#include "base/float_environment.h"

namespace nbit
{
namespace
{

// beta^step by products in double: the same bits everywhere, unlike the powers of mathematical libraries.
double power(float beta, int64_t step)
{
    double result = 1;
    for (double factor = static_cast<double>(beta); step > 0; step /= 2, factor *= factor)
        if (step % 2 == 1) result *= factor;
    return result;
}

} // namespace

void OptimizerNumbers::prepare(int64_t step) noexcept
{
    rest1 = 1 - beta1;
    rest2 = 1 - beta2;
    rest3 = 1 - beta3;
    correction1 = 1 - static_cast<float>(power(beta1, step));
    correction2 = std::sqrt(1 - static_cast<float>(power(beta2, step)));
    decay = 1 - learning_rate * weight_decay;
    is_first_step = step == 1;
}

const OptimizerBooks& optimizer_books() noexcept
{
    static const OptimizerBooks books = [] {
        const DefaultFloatEnvironment environment;
        return OptimizerBooks{Codebook8(dynamic_map(true), NegativeNumbers::keep_sign), Codebook8(dynamic_map(false))};
    }();
    return books;
}

const OptimizersTable& optimizers_of(nbit_instruction_set which) noexcept
{
    switch (which) {
#if defined(__x86_64__)
    case NBIT_INSTRUCTION_SET_AVX512BF16:
        return avx512bf16::optimizers;
    case NBIT_INSTRUCTION_SET_AVX512:
        return avx512::optimizers;
    case NBIT_INSTRUCTION_SET_AVX2:
        return avx2::optimizers;
#endif
    default:
        return scalar::optimizers;
    }
}

} // namespace nbit
