#include "optimizer_cases.h"

#include <cmath>

namespace nbit::test
{
namespace
{

constexpr const char* names[optimizer_count] = {"adam", "momentum", "lion", "rmsprop", "adagrad", "ademamix"};

bool holds_squares(int32_t optimizer, int state)
{
    return state == second_moment || optimizer == NBIT_OPTIMIZER_RMSPROP || optimizer == NBIT_OPTIMIZER_ADAGRAD;
}

} // namespace

std::vector<OptimizerCase> optimizer_cases()
{
    std::vector<OptimizerCase> cases;
    for (int32_t optimizer = 0; optimizer < optimizer_count; ++optimizer)
        for (const bool is_quantized : {false, true})
            cases.push_back({optimizer, is_quantized});
    return cases;
}

std::string name_of(const OptimizerCase& which)
{
    return std::string(names[which.optimizer]) + (which.is_quantized ? "8bit" : "32bit");
}

OptimizerNumbers optimizer_numbers()
{
    OptimizerNumbers numbers{.learning_rate = 0.01f,
                             .beta1 = 0.9f,
                             .beta2 = 0.99f,
                             .beta3 = 0.995f,
                             .alpha = 5,
                             .epsilon = 1e-6f,
                             .weight_decay = 0.1f,
                             .gradient_scale = 0.75f};
    numbers.prepare(7);
    return numbers;
}

OptimizerTensor::OptimizerTensor(const OptimizerCase& which, int32_t element, Numbers kind, int64_t elements,
                                 unsigned seed)
    : optimizer(which.optimizer), type(element), is_quantized(which.is_quantized), count(elements),
      parameters(rounded(type, random_numbers(Numbers::ordinary, count, seed))),
      gradients(rounded(type, random_numbers(kind, count, seed + 1)))
{
    const auto state_of = [&](int state, Bytes& bytes, std::vector<float>& absmax) {
        std::vector<float> numbers = random_numbers(Numbers::ordinary, count, seed + 2 + static_cast<unsigned>(state));
        std::vector<float> scales(static_cast<size_t>(blocks()));
        for (size_t i = 0; i < scales.size(); ++i)
            scales[i] = i % 5 == 4 ? 0 : std::fabs(numbers[i]) * 0.1f;
        std::vector<uint8_t> codes;
        for (float& x : numbers) {
            if (holds_squares(optimizer, state)) x *= x;
            const auto code = static_cast<uint8_t>(float_bits(x) >> 3);
            codes.push_back(state != second_moment && holds_squares(optimizer, state) ? code | 0x80 : code);
        }
        const Bytes added = is_quantized ? codes : bytes_of(numbers);
        bytes.insert(bytes.end(), added.begin(), added.end());
        if (is_quantized) absmax.insert(absmax.end(), scales.begin(), scales.end());
    };
    state_of(0, state1, absmax1);
    if (states_of(optimizer) > 1) state_of(second_moment, state2, absmax2);
    if (states_of(optimizer) > 2) state_of(2, state1, absmax1);
}

OptimizerPart OptimizerTensor::part()
{
    const int64_t element = is_quantized ? 1 : 4;
    return {.first = 0,
            .count = count,
            .parameters = parameters.data(),
            .gradients = gradients.data(),
            .states = {state1.data(), state2.data(), state1.data() + (states_of(optimizer) > 2 ? count * element : 0)},
            .absmax = {absmax1.data(), absmax2.data(), absmax1.data() + (states_of(optimizer) > 2 ? blocks() : 0)},
            .update_scale = 1,
            .rounding_seed = nullptr};
}

std::vector<float> OptimizerTensor::state_numbers(int state) const
{
    const Bytes& bytes = state == second_moment ? state2 : state1;
    const auto first = static_cast<size_t>(state == 2 ? count : 0), size = static_cast<size_t>(count);
    if (!is_quantized) {
        const std::vector<float> all = elements_of<float>(bytes);
        return {all.begin() + static_cast<int64_t>(first), all.begin() + static_cast<int64_t>(first + size)};
    }
    const std::vector<float>& absmax = state == second_moment ? absmax2 : absmax1;
    std::vector<float> numbers(size);
    for (size_t i = 0; i < size; ++i)
        numbers[i] = optimizer_books().of_state(state).value[bytes[first + i]] *
                     absmax[(state == 2 ? static_cast<size_t>(blocks()) : 0) + i / optimizer_block];
    return numbers;
}

testing::AssertionResult same_tensors(const OptimizerTensor& expected, const OptimizerTensor& found)
{
    constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32;
    const auto same_states = [&](const Bytes& a, const Bytes& b) {
        return expected.is_quantized ? same_bytes(a, b) : same_numbers(float32, a, b);
    };
    if (auto same = same_numbers(expected.type, expected.parameters, found.parameters); !same)
        return same << " (parameters)";
    if (auto same = same_bytes(expected.gradients, found.gradients); !same) return same << " (gradients)";
    if (auto same = same_states(expected.state1, found.state1); !same) return same << " (state1)";
    if (auto same = same_states(expected.state2, found.state2); !same) return same << " (state2)";
    if (auto same = same_bytes(bytes_of(expected.absmax1), bytes_of(found.absmax1)); !same) return same << " (absmax1)";
    if (auto same = same_bytes(bytes_of(expected.absmax2), bytes_of(found.absmax2)); !same) return same << " (absmax2)";
    return testing::AssertionSuccess();
}

} // namespace nbit::test
