#include "abi/optimizer_tensors.h"
#include "abi/arguments.h"

#include <cstdio>

namespace nbit
{
namespace
{

int64_t checked_tensors(int64_t tensors)
{
    constexpr int64_t most = int64_t{1} << 32;
    if (tensors < 0 || tensors > most)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT, "tensors is %lld; allowed are 0 to %lld",
                    static_cast<long long>(tensors), static_cast<long long>(most));
    return tensors;
}

// An argument's name with the tensor's number.
struct Name {
    char text[48];
    Name(const char* argument, int64_t tensor)
    {
        std::snprintf(text, sizeof(text), "%s[%lld]", argument, static_cast<long long>(tensor));
    }
};

} // namespace

OptimizerTensors::OptimizerTensors(const OptimizerArguments& arguments)
    : arguments_(arguments), first_block_(checked_tensors(arguments.tensors) + 1), update_scale_(arguments.tensors)
{
    check_lists();
    int64_t elements = 0, block = 0;
    for (int64_t tensor = 0; tensor < arguments_.tensors; ++tensor) {
        check_tensor(tensor);
        first_block_.data()[tensor] = block;
        update_scale_.data()[tensor] = 1;
        elements += arguments_.counts[tensor];
        block += ceil_divide(arguments_.counts[tensor], optimizer_block);
    }
    first_block_.data()[arguments_.tensors] = block;
    bytes_written_ = elements * (data_type_size(arguments_.type) +
                                 states_of(arguments_.optimizer) * data_type_size(arguments_.state_type));
    bytes_read_ = bytes_written_ + elements * data_type_size(arguments_.type);
}

void OptimizerTensors::check_lists() const
{
    if (arguments_.tensors == 0) return;
    require_memory(arguments_.counts, "counts");
    require_memory(arguments_.parameters, "parameters");
    require_memory(arguments_.gradients, "gradients");
    require_memory(arguments_.state1, "state1");
    if (has_second_moment()) require_memory(arguments_.state2, "state2");
    if (is_quantized()) require_memory(arguments_.absmax1, "absmax1");
    if (is_quantized() && has_second_moment()) require_memory(arguments_.absmax2, "absmax2");
}

void OptimizerTensors::check_tensor(int64_t tensor) const
{
    const Name counts("counts", tensor), parameters("parameters", tensor), gradients("gradients", tensor),
        state1("state1", tensor), state2("state2", tensor), absmax1("absmax1", tensor), absmax2("absmax2", tensor);
    const int64_t count = arguments_.counts[tensor];
    constexpr int64_t most = INT64_MAX / 64; // all of a tensor's bytes together can be counted
    if (count < 0 || count > most)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT, "%s is %lld; allowed are 0 to %lld", counts.text,
                    static_cast<long long>(count), static_cast<long long>(most));
    const int64_t bytes = count * data_type_size(arguments_.type);
    const int64_t state_bytes = count * data_type_size(arguments_.state_type);
    const int64_t absmax_bytes = ceil_divide(count, optimizer_block) * int64_t{sizeof(float)};
    const auto entry = [&](const auto* list) -> const void* { return list ? list[tensor] : nullptr; };
    const Region gradient{gradients.text, entry(arguments_.gradients), bytes};
    const Region parameter{parameters.text, entry(arguments_.parameters), bytes};
    const Region first{state1.text, entry(arguments_.state1), states1() * state_bytes};
    const Region second{state2.text, entry(has_second_moment() ? arguments_.state2 : nullptr),
                        has_second_moment() ? state_bytes : 0};
    const Region first_absmax{absmax1.text, entry(is_quantized() ? arguments_.absmax1 : nullptr),
                              is_quantized() ? states1() * absmax_bytes : 0};
    const Region second_absmax{absmax2.text,
                               entry(is_quantized() && has_second_moment() ? arguments_.absmax2 : nullptr),
                               is_quantized() && has_second_moment() ? absmax_bytes : 0};
    require_memory({parameter, gradient, first, second, first_absmax, second_absmax});
    require_disjoint({parameter, first, second, first_absmax, second_absmax}, {gradient});
}

OptimizerPart OptimizerTensors::part(int64_t tensor, int64_t begin, int64_t end) const noexcept
{
    const int64_t count = arguments_.counts[tensor], blocks = ceil_divide(count, optimizer_block);
    const int64_t first = begin * optimizer_block, offset = first * data_type_size(arguments_.type);
    const int64_t state_offset = first * data_type_size(arguments_.state_type);
    const int64_t slow_offset = state_offset + count * data_type_size(arguments_.state_type);
    OptimizerPart part{.first = first,
                       .count = std::min(end * optimizer_block, count) - first,
                       .parameters = static_cast<char*>(arguments_.parameters[tensor]) + offset,
                       .gradients = static_cast<const char*>(arguments_.gradients[tensor]) + offset,
                       .states = {static_cast<char*>(arguments_.state1[tensor]) + state_offset},
                       .absmax = {is_quantized() ? arguments_.absmax1[tensor] + begin : nullptr},
                       .update_scale = update_scale_.data()[tensor],
                       .rounding_seed = arguments_.rounding_seeds ? arguments_.rounding_seeds + tensor : nullptr};
    if (has_second_moment()) {
        part.states[second_moment] = static_cast<char*>(arguments_.state2[tensor]) + state_offset;
        if (is_quantized()) part.absmax[second_moment] = arguments_.absmax2[tensor] + begin;
    }
    if (states1() == 2) {
        part.states[2] = static_cast<char*>(arguments_.state1[tensor]) + slow_offset;
        if (is_quantized()) part.absmax[2] = arguments_.absmax1[tensor] + blocks + begin;
    }
    return part;
}

} // namespace nbit
