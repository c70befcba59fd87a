// The plain twin of the optimizers: what every kernel must compute.
#include "cpu/optimizer_rules.h"
#include "cpu/vector_scalar.h"

namespace nbit::reference
{
namespace
{

using scalar::Vector;

// The rule for 8-bit states: nearest code, and negative numbers get a negative one.
uint8_t code_of(const Codebook8& book, float value, float absmax)
{
    if (is_special(absmax)) return special_code8(book, value, absmax);
    const float scaled = value * block_reciprocal(absmax);
    const uint8_t nearest = nearest_code(book.value, scaled);
    const bool has_sign = book.value[0] < 0;
    return has_sign && scaled < 0 && !std::signbit(book.value[nearest]) ? static_cast<uint8_t>(nearest - 1) : nearest;
}

// One block, with its states as float32.
template <class Rule, class T, bool is_quantized> struct Block {
    const OptimizerBooks& books;
    const OptimizerPart& part;
    int64_t begin, count;
    float states[Rule::states][optimizer_block];

    Block(const OptimizerBooks& all, const OptimizerPart& p, int64_t first)
        : books(all), part(p), begin(first), count(std::min(optimizer_block, p.count - first))
    {
        for (int state = 0; state < Rule::states; ++state)
            for (int64_t i = 0; i < count; ++i)
                states[state][i] = load(state, begin + i);
    }

    float load(int state, int64_t i) const
    {
        if constexpr (!is_quantized) return load_element<float>(part.states[state], i);
        const uint8_t code = load_element<uint8_t>(part.states[state], i);
        return books.of_state(state).value[code] * part.absmax[state][begin / optimizer_block];
    }
    float gradient(int64_t i) const { return to_float(load_element<T>(part.gradients, begin + i)); }
    float parameter(int64_t i) const { return to_float(load_element<T>(part.parameters, begin + i)); }
    void store_parameter(int64_t i, float value) const
    {
        T rounded = from_float<T>(value);
        if constexpr (std::same_as<T, BFloat16>)
            if (part.rounding_seed)
                rounded = rounded_stochastically(value, *part.rounding_seed, part.first + begin + i);
        store_element(part.parameters, begin + i, rounded);
    }
    void store_states() const
    {
        for (int state = 0; state < Rule::states; ++state) {
            if constexpr (is_quantized)
                store_codes(state);
            else
                for (int64_t i = 0; i < count; ++i)
                    store_element(part.states[state], begin + i, states[state][i]);
        }
    }
    void store_codes(int state) const
    {
        const float absmax = absmax_of_elements<float>(states[state], count);
        part.absmax[state][begin / optimizer_block] = absmax;
        for (int64_t i = 0; i < count; ++i)
            store_element(part.states[state], begin + i, code_of(books.of_state(state), states[state][i], absmax));
    }
};

template <class Rule, class T, bool is_quantized>
void step(const OptimizerBooks& books, const OptimizerNumbers& numbers, const OptimizerPart& part)
{
    const float factor = part.update_scale * Rule::factor(numbers);
    for (int64_t begin = 0; begin < part.count; begin += optimizer_block) {
        Block<Rule, T, is_quantized> block(books, part, begin);
        for (int64_t i = 0; i < block.count; ++i) {
            const float gradient = block.gradient(i);
            if (numbers.skip_zeros && gradient == 0) continue;
            if (is_quantized && !std::isfinite(gradient)) {
                for (auto& state : block.states)
                    state[i] = 0;
                continue;
            }
            Vector p(block.parameter(i));
            Vector s[most_optimizer_states] = {Vector(0), Vector(0), Vector(0)};
            for (int state = 0; state < Rule::states; ++state)
                s[state] = Vector(block.states[state][i]);
            Rule::update(numbers, factor, p, Vector(gradient * numbers.gradient_scale), s);
            for (int state = 0; state < Rule::states; ++state)
                block.states[state][i] = s[state].v;
            block.store_parameter(i, p.v);
        }
        block.store_states();
    }
}

template <class Rule, class T, bool is_quantized>
void norms(const OptimizerBooks& books, const OptimizerNumbers& numbers, const OptimizerPart& part,
           OptimizerNormSums* of_blocks)
{
    for (int64_t begin = 0; begin < part.count; begin += optimizer_block) {
        const Block<Rule, T, is_quantized> block(books, part, begin);
        float parameters[optimizer_block] = {}, directions[optimizer_block] = {};
        for (int64_t i = 0; i < block.count; ++i) {
            parameters[i] = block.parameter(i);
            const float gradient = block.gradient(i);
            if ((numbers.skip_zeros && gradient == 0) || (is_quantized && !std::isfinite(gradient))) continue;
            Vector s[most_optimizer_states] = {Vector(0), Vector(0), Vector(0)};
            for (int state = 0; state < Rule::states; ++state)
                s[state] = Vector(block.states[state][i]);
            directions[i] = Rule::direction(numbers, Vector(gradient * numbers.gradient_scale), s).v;
        }
        of_blocks[begin / optimizer_block] = {sum_of_squares(parameters), sum_of_squares(directions)};
    }
}

} // namespace

constinit const OptimizersTable optimizers =
    make_optimizers([]<class Rule, class T, bool is_quantized> { return step<Rule, T, is_quantized>; },
                    []<class Rule, class T, bool is_quantized> { return norms<Rule, T, is_quantized>; });

} // namespace nbit::reference
