// The loops of the optimizers of all instruction sets: one pass over parameters, gradients and states.
#pragma once
#include "cpu/optimizer_rules.h"
#include "cpu/tiles.h"

#include <iterator>
#include <optional>
#include <utility>

namespace nbit
{
namespace
{

// An instruction set brings what BlocksSet has, and
//   Vector, of which a tile is an array, with what optimizer_rules.h names, and Mask, is_finite, is_not_zero, select;
//   load(elements), the tile there, and store(target, tile), which rounds it; scaled(tile, factor);
//   Decoder8(book) and Encoder8<is_signed>(book), as blocks8_tiles.h has them.

// Memory of one whole block.
template <class Rule, class T, class State> struct OptimizerBlock {
    T* parameters;
    const T* gradients;
    State* states[Rule::states];
    float* absmax[Rule::states];
    int64_t first; // in the tensor
};

// Hands the states of a block over as float32, a tile at a time: visit(i, tiles), which may change them.
template <class Set, class Rule> class States32
{
public:
    using Element = float;
    using Tile = typename Set::Tile;
    static constexpr bool is_quantized = false;
    static constexpr Element zero(int) { return 0; }

    explicit States32(const OptimizerBooks&) {}

    template <class T, class Visit> void read(const OptimizerBlock<Rule, T, float>& block, const Visit& visit) const
    {
        for (int64_t i = 0; i < optimizer_block; i += Set::tile_size) {
            Tile tiles[Rule::states];
            for (int state = 0; state < Rule::states; ++state)
                tiles[state] = Set::load(block.states[state] + i);
            visit(i, tiles);
        }
    }
    template <class T, class Visit> void change(const OptimizerBlock<Rule, T, float>& block, const Visit& visit) const
    {
        read(block, [&](int64_t i, Tile(&tiles)[Rule::states]) {
            visit(i, tiles);
            for (int state = 0; state < Rule::states; ++state)
                Set::store(block.states[state] + i, tiles[state]);
        });
    }
};

// The same with codes. A block's new states wait on the stack for their absmax, so that memory is read once.
template <class Set, class Rule> class States8
{
public:
    using Element = uint8_t;
    using Tile = typename Set::Tile;
    static constexpr bool is_quantized = true;
    Element zero(int state) const { return books_.of_state(state).zero; }

    explicit States8(const OptimizerBooks& books)
        : books_(books), signed_decoder_(books.with_sign), unsigned_decoder_(books.without_sign),
          signed_encoder_(books.with_sign), unsigned_encoder_(books.without_sign)
    {
    }

    template <class T, class Visit> void read(const OptimizerBlock<Rule, T, uint8_t>& block, const Visit& visit) const
    {
        float absmax[Rule::states];
        for (int state = 0; state < Rule::states; ++state)
            absmax[state] = *block.absmax[state];
        for (int64_t i = 0; i < optimizer_block; i += Set::tile_size) {
            Tile tiles[Rule::states];
            for (int state = 0; state < Rule::states; ++state) {
                const auto& decoder = state == second_moment ? unsigned_decoder_ : signed_decoder_;
                tiles[state] = Set::scaled(decoder.decode(block.states[state] + i), absmax[state]);
            }
            visit(i, tiles);
        }
    }
    template <class T, class Visit> void change(const OptimizerBlock<Rule, T, uint8_t>& block, const Visit& visit) const
    {
        alignas(cache_line) float numbers[Rule::states][optimizer_block];
        Largest largest[Rule::states];
        read(block, [&](int64_t i, Tile(&tiles)[Rule::states]) {
            visit(i, tiles);
            for (int state = 0; state < Rule::states; ++state) {
                Set::store(numbers[state] + i, tiles[state]);
                for (const auto& v : tiles[state].v)
                    largest[state].number = larger_magnitude(largest[state].number, Vector(v));
            }
        });
        for (int state = 0; state < Rule::states; ++state)
            *block.absmax[state] = absmax_of(largest[state].number);
        for (int state = 0; state < Rule::states; ++state) {
            if (state == second_moment)
                encode(unsigned_encoder_, state, numbers[state], block);
            else
                encode(signed_encoder_, state, numbers[state], block);
        }
    }

private:
    using Vector = typename Set::Vector;

    // One vector for a whole tile: one for each of the tile's own would not fit into the registers.
    struct Largest {
        Vector number{0.0f};
    };

    template <class Encoder, class T>
    void encode(const Encoder& encoder, int state, const float (&numbers)[optimizer_block],
                const OptimizerBlock<Rule, T, uint8_t>& block) const
    {
        const float absmax = *block.absmax[state];
        uint8_t* codes = block.states[state];
        if (is_special(absmax)) [[unlikely]] {
            for (int64_t i = 0; i < optimizer_block; ++i)
                codes[i] = special_code8(books_.of_state(state), numbers[i], absmax);
            return;
        }
        const float reciprocal = block_reciprocal(absmax);
        const auto tile_at = [&](int64_t i) { return Set::scaled(Set::load(numbers + i), reciprocal); };
        // The second step of a tile runs beside the first step of the next one: see BlockCoder8.
        Tile tile = tile_at(0);
        auto started = encoder.start(tile);
        for (int64_t i = Set::tile_size; i < optimizer_block; i += Set::tile_size) {
            const Tile next = tile_at(i);
            const auto next_started = encoder.start(next);
            encoder.finish(tile, started, codes + i - Set::tile_size, false);
            tile = next;
            started = next_started;
        }
        encoder.finish(tile, started, codes + optimizer_block - Set::tile_size, false);
    }

    const OptimizerBooks& books_;
    typename Set::Decoder8 signed_decoder_, unsigned_decoder_;
    typename Set::template Encoder8<true> signed_encoder_;
    typename Set::template Encoder8<false> unsigned_encoder_;
};

template <class Set, class T>
void store_stochastically(const typename Set::Tile& tile, uint64_t seed, int64_t first, T* y)
{
    alignas(cache_line) float numbers[Set::tile_size];
    Set::store(numbers, tile);
    for (int64_t i = 0; i < Set::tile_size; ++i)
        store_element(y, i, rounded_stochastically(numbers[i], seed, first + i));
}

template <class Set, class Rule, class T, class States> class OptimizerLoop
{
public:
    using Block = OptimizerBlock<Rule, T, typename States::Element>;

    OptimizerLoop(const OptimizerBooks& books, const OptimizerNumbers& numbers, const OptimizerPart& part)
        : states_(books), numbers_(numbers), part_(part), factor_(part.update_scale * Rule::factor(numbers))
    {
    }

    void step() const
    {
        for_each_block([&](const Block& block, int64_t) { step_block(block); });
    }

    void add_norms(OptimizerNormSums* of_blocks) const
    {
        for_each_block([&](const Block& block, int64_t count) { *of_blocks++ = norms_of_block(block, count); });
    }

private:
    using Tile = typename Set::Tile;
    using Vector = typename Set::Vector;
    using State = typename States::Element;
    static constexpr int vectors = static_cast<int>(std::size(Tile{}.v));

    // A ragged end goes through a copy that is filled up with zeros.
    class Padded
    {
    public:
        Padded(const Block& original, int64_t count, const States& all) : original_(original), count_(count)
        {
            std::fill_n(parameters_, optimizer_block, T{});
            std::fill_n(gradients_, optimizer_block, T{});
            copy(original.parameters, parameters_);
            copy(original.gradients, gradients_);
            for (int state = 0; state < Rule::states; ++state) {
                std::fill_n(states_[state], optimizer_block, all.zero(state));
                copy(original.states[state], states_[state]);
            }
        }
        Block block()
        {
            Block padded = original_;
            padded.parameters = parameters_;
            padded.gradients = gradients_;
            for (int state = 0; state < Rule::states; ++state)
                padded.states[state] = states_[state];
            return padded;
        }
        void copy_back() const
        {
            copy(parameters_, original_.parameters);
            for (int state = 0; state < Rule::states; ++state)
                copy(states_[state], original_.states[state]);
        }

    private:
        template <class Element> void copy(const Element* from, Element* to) const
        {
            std::memcpy(static_cast<void*>(to), static_cast<const void*>(from),
                        static_cast<size_t>(count_) * sizeof(Element));
        }

        const Block original_;
        int64_t count_;
        alignas(cache_line) T parameters_[optimizer_block], gradients_[optimizer_block];
        alignas(cache_line) State states_[Rule::states][optimizer_block];
    };

    // body(block, count). It is called in one place, so that compilers keep tables of codes in registers.
    template <class Body> void for_each_block(const Body& body) const
    {
        std::optional<Padded> padded;
        for (int64_t i = 0; i < part_.count; i += optimizer_block) {
            const int64_t count = std::min(optimizer_block, part_.count - i);
            Block block = block_at(i);
            if (count < optimizer_block) block = padded.emplace(block, count, states_).block();
            body(block, count);
        }
        if (padded) padded->copy_back();
    }

    Block block_at(int64_t i) const
    {
        Block block{
            static_cast<T*>(part_.parameters) + i, static_cast<const T*>(part_.gradients) + i, {}, {}, part_.first + i};
        for (int state = 0; state < Rule::states; ++state) {
            block.states[state] = static_cast<State*>(part_.states[state]) + i;
            if (States::is_quantized) block.absmax[state] = part_.absmax[state] + i / optimizer_block;
        }
        return block;
    }

    void step_block(const Block& block) const
    {
        states_.change(block, [&](int64_t i, Tile(&states)[Rule::states]) {
            Tile parameters = Set::load(block.parameters + i);
            const Tile gradients = Set::load(block.gradients + i);
            for (int j = 0; j < vectors; ++j) {
                const Vector gradient(gradients.v[j]), before(parameters.v[j]);
                Vector p = before;
                step_vector(gradient, states, j,
                            [&](const Vector& g, Vector* s) { Rule::update(numbers_, factor_, p, g, s); });
                parameters.v[j] = kept(gradient, p, before).v;
            }
            store(block, i, parameters);
        });
    }

    // Steps the states with body(scaled gradient, states); they stay as they are where a zero is skipped, and become
    // zero where they would carry what is not finite into the rest of their block.
    template <class Body>
    void step_vector(const Vector& gradient, Tile (&states)[Rule::states], int j, const Body& body) const
    {
        step_states(gradient, states, j, body, std::make_integer_sequence<int, Rule::states>());
    }
    template <class Body, int... state>
    void step_states(const Vector& gradient, Tile (&states)[Rule::states], int j, const Body& body,
                     std::integer_sequence<int, state...>) const
    {
        Vector s[] = {Vector(states[state].v[j])...};
        body(gradient * Vector(numbers_.gradient_scale), s);
        if constexpr (States::is_quantized) ((s[state] = select(is_finite(gradient), s[state], Vector(0.0f))), ...);
        if (numbers_.skip_zeros)
            ((s[state] = select(is_not_zero(gradient), s[state], Vector(states[state].v[j]))), ...);
        ((states[state].v[j] = s[state].v), ...);
    }

    // The new number where the gradient counts.
    Vector kept(const Vector& gradient, Vector changed, const Vector& before) const
    {
        if constexpr (States::is_quantized) changed = select(is_finite(gradient), changed, before);
        return numbers_.skip_zeros ? select(is_not_zero(gradient), changed, before) : changed;
    }

    void store(const Block& block, int64_t i, const Tile& parameters) const
    {
        if constexpr (std::same_as<T, BFloat16>)
            if (part_.rounding_seed) [[unlikely]]
                return store_stochastically<Set>(parameters, *part_.rounding_seed, block.first + i,
                                                 block.parameters + i);
        Set::store(block.parameters + i, parameters);
    }

    OptimizerNormSums norms_of_block(const Block& block, int64_t count) const
    {
        alignas(cache_line) float parameters[optimizer_block], directions[optimizer_block];
        states_.read(block, [&](int64_t i, Tile(&states)[Rule::states]) {
            const Tile gradients = Set::load(block.gradients + i);
            Tile found = {};
            for (int j = 0; j < vectors; ++j) {
                const Vector gradient(gradients.v[j]);
                Vector direction(0.0f);
                step_vector(gradient, states, j,
                            [&](const Vector& g, Vector* s) { direction = Rule::direction(numbers_, g, s); });
                found.v[j] = kept(gradient, direction, Vector(0.0f)).v;
            }
            Set::store(parameters + i, Set::load(block.parameters + i));
            Set::store(directions + i, found);
        });
        std::fill(directions + count, directions + optimizer_block, 0.0f); // 0 / 0 may be there
        return {sum_of_squares(parameters), sum_of_squares(directions)};
    }

    States states_;
    OptimizerNumbers numbers_; // a copy, which nothing that is stored can change
    OptimizerPart part_;
    float factor_;
};

template <class Set, class Rule, bool is_quantized>
using StatesOf = std::conditional_t<is_quantized, States8<Set, Rule>, States32<Set, Rule>>;

template <class Set, class Rule, class T, bool is_quantized>
void step_optimizer(const OptimizerBooks& books, const OptimizerNumbers& numbers, const OptimizerPart& part)
{
    OptimizerLoop<Set, Rule, T, StatesOf<Set, Rule, is_quantized>>(books, numbers, part).step();
}

template <class Set, class Rule, class T, bool is_quantized>
void sum_optimizer_norms(const OptimizerBooks& books, const OptimizerNumbers& numbers, const OptimizerPart& part,
                         OptimizerNormSums* of_blocks)
{
    OptimizerLoop<Set, Rule, T, StatesOf<Set, Rule, is_quantized>>(books, numbers, part).add_norms(of_blocks);
}

template <class Set> consteval OptimizersTable make_optimizers_tiles()
{
    return make_optimizers(
        []<class Rule, class T, bool is_quantized> { return step_optimizer<Set, Rule, T, is_quantized>; },
        []<class Rule, class T, bool is_quantized> { return sum_optimizer_norms<Set, Rule, T, is_quantized>; });
}

} // namespace
} // namespace nbit
