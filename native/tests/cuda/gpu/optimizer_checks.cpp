// Steps of optimizers, against the CPU, with the tolerances of the golden data's README.
#include "checks.h"
#include "cpu/optimizers.h"

#include <cmath>

namespace nbit::gpu
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32;
constexpr int64_t count = 4096, blocks = count / optimizer_block;
constexpr const char* names[optimizer_count] = {"adam", "momentum", "lion", "rmsprop", "adagrad", "ademamix"};
enum { parameters, gradients, state1, state2, absmax1, absmax2 };

bool holds_squares(int32_t optimizer)
{
    return optimizer == NBIT_OPTIMIZER_RMSPROP || optimizer == NBIT_OPTIMIZER_ADAGRAD;
}

// States as they are after some steps; squares are not negative.
Checks::Memory memory_of(int32_t optimizer, int32_t type, bool is_quantized)
{
    const int64_t first = optimizer == NBIT_OPTIMIZER_ADEMAMIX ? 2 : 1;
    const auto states = [&](int64_t tensors, bool squares, unsigned seed) {
        if (is_quantized) return Bytes(static_cast<size_t>(tensors * count), squares ? 200 : 90);
        std::vector<float> numbers = widened(float32, random_elements(float32, tensors * count, seed));
        for (float& x : numbers)
            x = squares ? x * x : x * 0.1f;
        return bytes_of(numbers);
    };
    const auto scales = [&](int64_t tensors) {
        return bytes_of(std::vector<float>(static_cast<size_t>(tensors * blocks), 0.25f));
    };
    return {random_elements(type, count, 1),
            random_elements(type, count, 2),
            states(first, holds_squares(optimizer), 3),
            states(1, true, 4),
            scales(first),
            scales(1)};
}

std::string compare_step(int32_t type, bool is_quantized, bool has_second, const Checks::Memory& expected,
                         const Checks::Memory& found)
{
    // A 16-bit parameter is rounded twice by kernels that let it decay after the update
    const double unit = type == NBIT_DATA_TYPE_FLOAT16 ? 1.0 / 512 : type == float32 ? 1e-5 : 1.0 / 64;
    std::string wrong = compare_numbers("parameters", type, expected[parameters], found[parameters], 1e-6, unit);
    for (const int state : {state1, state2}) {
        if (!wrong.empty() || (state == state2 && !has_second)) break;
        const auto i = static_cast<size_t>(state);
        wrong = is_quantized ? compare_state_codes("state", expected[i], found[i])
                             : compare_numbers("state", float32, expected[i], found[i], 1e-7, 1e-4);
        if (wrong.empty() && is_quantized)
            wrong = compare_numbers("absmax", float32, expected[i + 2], found[i + 2], 0, 1e-5);
    }
    return wrong;
}

} // namespace

void check_optimizers(Checks& checks)
{
    for (int32_t optimizer = 0; optimizer < optimizer_count; ++optimizer)
        for (const bool is_quantized : {false, true})
            for (const int32_t type : {NBIT_DATA_TYPE_FLOAT32, NBIT_DATA_TYPE_FLOAT16, NBIT_DATA_TYPE_BFLOAT16}) {
                const bool is_plain = is_quantized && holds_squares(optimizer), has_second = states_of(optimizer) > 1;
                checks.compare_with_cpu(
                    is_quantized ? "optimizers with 8-bit states" : "optimizers with 32-bit states",
                    std::string(names[optimizer]) + ", " + type_name(type), memory_of(optimizer, type, is_quantized),
                    [&](nbit_context* on, const Checks::Addresses& a) {
                        const void* gradient = a[gradients];
                        auto *first_absmax = static_cast<float*>(a[absmax1]),
                             *second_absmax = static_cast<float*>(a[absmax2]);
                        return nbit_optimizer_step(on, optimizer, 7, 1e-3f, 0.9f, 0.99f, 0.999f, 5, 1e-6f,
                                                   is_plain ? 0 : 0.01f, 1, 0, 0, 1, &count, type, &a[parameters],
                                                   &gradient, is_quantized ? NBIT_DATA_TYPE_UINT8 : float32, &a[state1],
                                                   &a[state2], &first_absmax, &second_absmax, nullptr);
                    },
                    [&](const Checks::Memory& expected, const Checks::Memory& found) {
                        return compare_step(type, is_quantized, has_second, expected, found);
                    });
            }
}

} // namespace nbit::gpu
