// The rules of the optimizers, once for all vectors: those of bitsandbytes' CUDA kernels, every operation rounded to
// float32, so that all instruction sets agree.
//
// A vector type V has a constructor from one float, the four operations, square_root(V) and sign(V).
#pragma once
#include "cpu/optimizers.h"
#include "cpu/random_bits.h"

#include <algorithm>

namespace nbit
{
namespace
{

// A rule has
//   states, how many it keeps;
//   factor(numbers), what it multiplies the update with: the trust ratio comes on top;
//   update(numbers, factor, p, g, s), one step of the parameter p and the states s with the gradient g;
//   direction(numbers, g, s), whose norm the trust ratio is made of. It steps the states without weight decay.

// Kingma and Ba 2015, with decoupled weight decay after the update (Loshchilov and Hutter 2019).
struct AdamRule {
    static constexpr int states = 2;

    static float factor(const OptimizerNumbers& n) { return -n.learning_rate * n.correction2 / n.correction1; }
    template <class V> static void update(const OptimizerNumbers& n, float factor, V& p, const V& g, V* s)
    {
        average(n, g, s);
        const V step = s[0] / (square_root(s[1]) + V(n.epsilon * n.correction2));
        p = (p + V(factor) * step) * V(n.decay);
    }
    template <class V> static V direction(const OptimizerNumbers& n, const V& g, V* s)
    {
        average(n, g, s);
        return (s[0] / V(n.correction1)) / (square_root(s[1] / V(n.correction2 * n.correction2)) + V(n.epsilon));
    }
    template <class V> static void average(const OptimizerNumbers& n, const V& g, V* s)
    {
        s[0] = s[0] * V(n.beta1) + V(n.rest1) * g;
        s[1] = s[1] * V(n.beta2) + V(n.rest2) * (g * g);
    }
};

// Pagliardini et al. 2024: Adam with a second, slow average of the gradients.
struct AdEMAMixRule {
    static constexpr int states = 3;

    static float factor(const OptimizerNumbers& n) { return n.learning_rate; }
    template <class V> static void update(const OptimizerNumbers& n, float factor, V& p, const V& g, V* s)
    {
        p = (p - V(factor) * direction(n, g, s)) * V(n.decay);
    }
    template <class V> static V direction(const OptimizerNumbers& n, const V& g, V* s)
    {
        AdamRule::average(n, g, s);
        s[2] = s[2] * V(n.beta3) + V(n.rest3) * g;
        return (s[0] / V(n.correction1) + V(n.alpha) * s[2]) / (square_root(s[1]) / V(n.correction2) + V(n.epsilon));
    }
};

template <class V> inline V decayed(const OptimizerNumbers& n, const V& p, const V& g)
{
    return n.weight_decay > 0 ? g + p * V(n.weight_decay) : g;
}

// Polyak 1964, as torch.optim.SGD has it.
struct MomentumRule {
    static constexpr int states = 1;

    static float factor(const OptimizerNumbers& n) { return n.learning_rate; }
    template <class V> static void update(const OptimizerNumbers& n, float factor, V& p, const V& g, V* s)
    {
        p = p - V(factor) * direction(n, decayed(n, p, g), s);
    }
    template <class V> static V direction(const OptimizerNumbers& n, const V& g, V* s)
    {
        return s[0] = n.is_first_step ? g : s[0] * V(n.beta1) + g;
    }
};

// Chen et al. 2023. The decay comes before the update.
struct LionRule {
    static constexpr int states = 1;

    static float factor(const OptimizerNumbers& n) { return n.learning_rate; }
    template <class V> static void update(const OptimizerNumbers& n, float factor, V& p, const V& g, V* s)
    {
        p = p * V(n.decay) - V(factor) * sign(s[0] * V(n.beta1) + V(n.rest1) * g);
        direction(n, g, s);
    }
    template <class V> static V direction(const OptimizerNumbers& n, const V& g, V* s)
    {
        return s[0] = s[0] * V(n.beta2) + V(n.rest2) * g;
    }
};

// Tieleman and Hinton 2012.
struct RMSpropRule {
    static constexpr int states = 1;

    static float factor(const OptimizerNumbers& n) { return n.learning_rate; }
    template <class V> static void update(const OptimizerNumbers& n, float factor, V& p, const V& g, V* s)
    {
        p = p - V(factor) * direction(n, decayed(n, p, g), s);
    }
    template <class V> static V direction(const OptimizerNumbers& n, const V& g, V* s)
    {
        s[0] = s[0] * V(n.beta1) + V(n.rest1) * (g * g);
        return g / (square_root(s[0]) + V(n.epsilon));
    }
};

// Duchi, Hazan and Singer 2011.
struct AdagradRule {
    static constexpr int states = 1;

    static float factor(const OptimizerNumbers& n) { return n.learning_rate; }
    template <class V> static void update(const OptimizerNumbers& n, float factor, V& p, const V& g, V* s)
    {
        p = p - V(factor) * direction(n, decayed(n, p, g), s);
    }
    template <class V> static V direction(const OptimizerNumbers& n, const V& g, V* s)
    {
        s[0] = s[0] + g * g;
        return g / (square_root(s[0]) + V(n.epsilon));
    }
};

// The sum of squares of a block in double, where the squares are exact, in an order that every instruction set can
// follow. Elements after the last one are 0.
inline double sum_of_squares(const float (&x)[optimizer_block])
{
    double lanes[8] = {};
    for (int64_t i = 0; i < optimizer_block; i += 8)
        for (int64_t lane = 0; lane < 8; ++lane)
            lanes[lane] += static_cast<double>(x[i + lane]) * static_cast<double>(x[i + lane]);
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

// Rounds up with the probability of the digits that are cut off.
inline BFloat16 rounded_stochastically(float value, uint64_t seed, int64_t index)
{
    const uint32_t bits = float_bits(value);
    if ((bits & magnitude_mask) >= infinity_bits) return from_float<BFloat16>(value);
    return {static_cast<uint16_t>((bits + static_cast<uint32_t>(random_bits(seed, index) & 0xffff)) >> 16)};
}

// From select.operator()<Rule, T, is_quantized>(), a kernel.
template <class Rule, bool is_quantized, class SelectStep, class SelectNorms>
consteval OptimizerKernels make_optimizer_kernels(SelectStep step, SelectNorms norms)
{
    return {
        make_format_kernels<OptimizerStep>([=]<class T> { return step.template operator()<Rule, T, is_quantized>(); }),
        make_format_kernels<OptimizerNorms>(
            [=]<class T> { return norms.template operator()<Rule, T, is_quantized>(); })};
}
template <class SelectStep, class SelectNorms>
consteval OptimizersTable make_optimizers(SelectStep step, SelectNorms norms)
{
    const auto both = [=]<class Rule>(OptimizerKernels(&kernels)[optimizer_state_kinds]) {
        kernels[states32] = make_optimizer_kernels<Rule, false>(step, norms);
        kernels[states8] = make_optimizer_kernels<Rule, true>(step, norms);
    };
    OptimizersTable table{};
    both.template operator()<AdamRule>(table.kernels[NBIT_OPTIMIZER_ADAM]);
    both.template operator()<MomentumRule>(table.kernels[NBIT_OPTIMIZER_MOMENTUM]);
    both.template operator()<LionRule>(table.kernels[NBIT_OPTIMIZER_LION]);
    both.template operator()<RMSpropRule>(table.kernels[NBIT_OPTIMIZER_RMSPROP]);
    both.template operator()<AdagradRule>(table.kernels[NBIT_OPTIMIZER_ADAGRAD]);
    both.template operator()<AdEMAMixRule>(table.kernels[NBIT_OPTIMIZER_ADEMAMIX]);
    return table;
}

} // namespace
} // namespace nbit
