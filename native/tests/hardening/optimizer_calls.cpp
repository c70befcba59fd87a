// Calls of the optimizers' export.
#include "hardening/export_calls.h"

#include <algorithm>

namespace nbit::test
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32;
constexpr int64_t absmax_block = 256;

// What is one entry a tensor.
struct TensorLists {
    std::vector<int64_t> counts;
    std::vector<void*> parameters, state1, state2;
    std::vector<const void*> gradients;
    std::vector<float*> absmax1, absmax2;
};

struct Kind {
    int32_t optimizer, type, state_type;

    bool is_quantized() const { return state_type == NBIT_DATA_TYPE_UINT8; }
    bool has_second() const { return optimizer == NBIT_OPTIMIZER_ADAM || optimizer == NBIT_OPTIMIZER_ADEMAMIX; }
    int64_t first_states() const { return optimizer == NBIT_OPTIMIZER_ADEMAMIX ? 2 : 1; }
};

// That tensors share no memory is for the caller to see to.
void add_tensor(Arguments& a, const Kind& kind, TensorLists& lists)
{
    a.begin_group();
    const int64_t count = a.is_large() ? (1 << 19) + a.choices().below(1000) : a.size(700);
    const auto absmax = [&](int64_t states) {
        const Elements blocks{float32, states * block_count(count, absmax_block), Contents::scales, true};
        return kind.is_quantized() ? a.updated<float>(blocks) : const_cast<float*>(a.unread<float>());
    };
    const auto second = [&] {
        return kind.has_second() ? a.updated({kind.state_type, count, Contents::amax}) : const_cast<void*>(a.unread());
    };
    lists.counts.push_back(count);
    lists.parameters.push_back(a.updated({kind.type, count}));
    lists.gradients.push_back(a.read({kind.type, count}));
    lists.state1.push_back(a.updated({kind.state_type, saturated_product(kind.first_states(), count), Contents::amax}));
    lists.state2.push_back(second());
    lists.absmax1.push_back(absmax(kind.first_states()));
    lists.absmax2.push_back(kind.has_second() ? absmax(1) : const_cast<float*>(a.unread<float>()));
}

Call optimizer_step(Arguments& a)
{
    const Kind kind{a.one_of({NBIT_OPTIMIZER_ADAM, NBIT_OPTIMIZER_MOMENTUM, NBIT_OPTIMIZER_LION, NBIT_OPTIMIZER_RMSPROP,
                              NBIT_OPTIMIZER_ADAGRAD, NBIT_OPTIMIZER_ADEMAMIX}),
                    a.number_type(), a.one_of({float32, NBIT_DATA_TYPE_UINT8})};
    const int64_t step = a.has_fault(32) ? a.size(1) : 1 + a.choices().below(1000);
    const float rate = a.number(0, 0.1f), beta1 = a.number(0, 0.99f), beta2 = a.number(0, 0.999f);
    const float beta3 = a.number(0, 0.999f), alpha = a.number(0, 5), epsilon = a.number(1e-6f, 1e-3f);
    const float decay = a.number(0, 0.1f), gradient_scale = a.number(0.5f, 2);
    const float max_unorm = a.choices().below(3) ? 0 : a.number(0.01f, 1);
    const int32_t skip_zeros = a.flag();

    const int64_t tensors = a.is_large() ? 1 + a.choices().below(2) : a.size(4);
    const bool is_listed = tensors >= 0 && tensors <= 4;
    TensorLists lists;
    for (int64_t i = 0; is_listed && i < tensors; ++i)
        add_tensor(a, kind, lists);
    const bool lacks_list = !is_listed || a.has_fault(32);
    const auto* const seeds = kind.type == NBIT_DATA_TYPE_BFLOAT16 && is_listed
                                  ? a.read_or_null<uint64_t>({NBIT_DATA_TYPE_INT64, tensors, Contents::any, true})
                                  : nullptr;
    return [=](nbit_context* context) {
        return nbit_optimizer_step(
            context, kind.optimizer, step, rate, beta1, beta2, beta3, alpha, epsilon, decay, gradient_scale, max_unorm,
            skip_zeros, tensors, lists.counts.data(), kind.type, lists.parameters.data(), lists.gradients.data(),
            kind.state_type, lacks_list ? nullptr : lists.state1.data(),
            kind.has_second() ? lists.state2.data() : nullptr, kind.is_quantized() ? lists.absmax1.data() : nullptr,
            kind.is_quantized() && kind.has_second() ? lists.absmax2.data() : nullptr, seeds);
    };
}

} // namespace

std::vector<ExportCall> optimizer_calls() { return {{"nbit_optimizer_step", optimizer_step}}; }

} // namespace nbit::test
