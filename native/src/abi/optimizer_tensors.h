// The tensors that an optimizer steps in one call, as one range of blocks.
#pragma once
#include "base/memory.h"
#include "cpu/optimizers.h"

#include <algorithm>

namespace nbit
{

// What the ABI is given.
struct OptimizerArguments {
    int32_t optimizer, type, state_type;
    int64_t tensors;
    const int64_t* counts;
    void* const* parameters;
    const void* const* gradients;
    void* const* state1;
    void* const* state2;
    float* const* absmax1;
    float* const* absmax2;
    const uint64_t* rounding_seeds;
};

class OptimizerTensors
{
public:
    // Throws where an argument is not allowed or memory is lacking.
    explicit OptimizerTensors(const OptimizerArguments& arguments);

    int64_t blocks() const noexcept { return first_block_.data()[arguments_.tensors]; }
    int64_t bytes_read() const noexcept { return bytes_read_; }
    int64_t bytes_written() const noexcept { return bytes_written_; }

    // body(part, its first block), for the parts of all tensors that lie in a range of blocks.
    template <class Body> void for_each_part(int64_t begin, int64_t end, const Body& body) const
    {
        const int64_t* firsts = first_block_.data();
        int64_t tensor = std::upper_bound(firsts, firsts + arguments_.tensors, begin) - firsts - 1;
        for (; begin < end; ++tensor) {
            const int64_t last = std::min(end, firsts[tensor + 1]);
            if (begin < last) body(part(tensor, begin - firsts[tensor], last - firsts[tensor]), begin);
            begin = last;
        }
    }

    // body(its update_scale, its first block, how many it has). Not beside for_each_part.
    template <class Body> void for_each_tensor(const Body& body) const
    {
        const int64_t* firsts = first_block_.data();
        for (int64_t tensor = 0; tensor < arguments_.tensors; ++tensor)
            body(update_scale_.data()[tensor], firsts[tensor], firsts[tensor + 1] - firsts[tensor]);
    }

private:
    void check_lists() const;
    void check_tensor(int64_t tensor) const;
    OptimizerPart part(int64_t tensor, int64_t begin, int64_t end) const noexcept; // in blocks

    bool is_quantized() const noexcept { return arguments_.state_type == NBIT_DATA_TYPE_UINT8; }
    bool has_second_moment() const noexcept { return states_of(arguments_.optimizer) > 1; }
    int64_t states1() const noexcept { return arguments_.optimizer == NBIT_OPTIMIZER_ADEMAMIX ? 2 : 1; }

    OptimizerArguments arguments_;
    Scratch<int64_t> first_block_; // and the end
    Scratch<float> update_scale_;
    int64_t bytes_read_ = 0, bytes_written_ = 0;
};

} // namespace nbit
