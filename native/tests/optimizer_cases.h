// Tensors for tests of optimizers.
#pragma once
#include "cpu/optimizers.h"
#include "inputs.h"

#include <ostream>

namespace nbit::test
{

struct OptimizerCase {
    int32_t optimizer;
    bool is_quantized;
};
std::vector<OptimizerCase> optimizer_cases(); // all
std::string name_of(const OptimizerCase& which);
inline void PrintTo(const OptimizerCase& which, std::ostream* out) { *out << name_of(which); }

// Usual numbers, whose parts all matter: prepared for step 7.
OptimizerNumbers optimizer_numbers();

// A tensor with all that an optimizer keeps for it, as it is in the middle of training.
struct OptimizerTensor {
    int32_t optimizer, type;
    bool is_quantized;
    int64_t count;
    Bytes parameters, gradients, state1, state2;
    std::vector<float> absmax1, absmax2;

    OptimizerTensor(const OptimizerCase& which, int32_t type, Numbers gradients, int64_t count, unsigned seed);
    OptimizerPart part();
    std::vector<float> parameter_numbers() const { return widened(type, parameters); }
    std::vector<float> gradient_numbers() const { return widened(type, gradients); }
    // One of the states, dequantized.
    std::vector<float> state_numbers(int state) const;
    int64_t blocks() const { return (count + optimizer_block - 1) / optimizer_block; }
};

// Says what differs first. One NaN is as good as another.
testing::AssertionResult same_tensors(const OptimizerTensor& expected, const OptimizerTensor& found);

} // namespace nbit::test
