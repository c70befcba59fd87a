#include "torch/linear_weight.h"
#include "base/memory.h"
#include "torch/guard.h"

#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

namespace nbit::torch
{
namespace
{

// Weights are looked up by every linear layer of the process and change seldom.
class Registry
{
public:
    void add(const void* data, const LinearWeight& weight)
    {
        const std::unique_lock lock(mutex_);
        const auto [place, added] =
            weights_.emplace(data, std::allocate_shared<LinearWeight>(Allocator<LinearWeight>(), weight));
        if (!added)
            throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                        "data is the memory of another weight; give memory that no weight begins in");
        count_.store(weights_.size(), std::memory_order_release);
    }

    std::shared_ptr<const LinearWeight> find(const void* data) const
    {
        const std::shared_lock lock(mutex_);
        const auto place = weights_.find(data);
        return place == weights_.end() ? nullptr : place->second;
    }

    std::shared_ptr<const LinearWeight> remove(const void* data) noexcept
    {
        const std::unique_lock lock(mutex_);
        const auto place = weights_.find(data);
        if (place == weights_.end()) return nullptr;
        std::shared_ptr<const LinearWeight> removed = std::move(place->second);
        weights_.erase(place);
        count_.store(weights_.size(), std::memory_order_release);
        return removed;
    }

    bool empty() const noexcept { return count_.load(std::memory_order_acquire) == 0; }

private:
    using Entry = std::pair<const void* const, std::shared_ptr<const LinearWeight>>;

    mutable std::shared_mutex mutex_;
    std::unordered_map<const void*, std::shared_ptr<const LinearWeight>, std::hash<const void*>, std::equal_to<>,
                       Allocator<Entry>>
        weights_;
    std::atomic<size_t> count_{0};
};

// Never destroyed: tensors may be released while the process ends.
Registry& registry()
{
    static auto* const instance = new Registry();
    return *instance;
}

// libtorch's deleter of the memory. A layer that runs meanwhile on another thread holds the tensor itself.
void release_weight(void* data)
{
    if (const auto weight = registry().remove(data)) weight->release(weight->state);
}

bool is_weight_type(int32_t data_type)
{
    switch (data_type) {
    case NBIT_DATA_TYPE_UINT8:
    case NBIT_DATA_TYPE_INT8:
    case NBIT_DATA_TYPE_FLOAT16:
    case NBIT_DATA_TYPE_FLOAT32:
    case NBIT_DATA_TYPE_FLOAT64:
    case NBIT_DATA_TYPE_BFLOAT16:
        return true;
    default:
        return false;
    }
}

} // namespace

Tensor* LinearWeight::apply(const Tensor* input, const Tensor* weight, const Tensor* bias) const
{
    void* result = nullptr;
    check(linear(state, const_cast<Tensor*>(input), const_cast<Tensor*>(weight), const_cast<Tensor*>(bias), &result));
    if (!result) throw Error(NBIT_STATUS_INTERNAL_ERROR, "the linear function of a weight gave no result");
    return static_cast<Tensor*>(result);
}

Tensor* LinearWeight::convert_to(Tensor* converted) const
{
    void* result = nullptr;
    check(convert(state, converted, &result));
    return static_cast<Tensor*>(result);
}

// Views that begin where the weight does are other matrices: some of its rows, or its transpose.
bool LinearWeight::is_whole_in(const Library& torch, Tensor& tensor) const
{
    int64_t dimensions = 0, *given = nullptr, *strides = nullptr;
    if (torch.get_dim(&tensor, &dimensions) != 0 || dimensions != static_cast<int64_t>(sizes.size()) ||
        torch.get_sizes(&tensor, &given) != 0 || torch.get_strides(&tensor, &strides) != 0)
        return false;
    int64_t stride = 1;
    for (size_t i = sizes.size(); i-- > 0; stride *= sizes[i])
        if (given[i] != sizes[i] || (sizes[i] != 1 && strides[i] != stride)) return false;
    return true;
}

std::shared_ptr<const LinearWeight> find_linear_weight(const Library& torch, const Tensor& weight)
{
    if (registry().empty()) return nullptr;
    void* data = nullptr;
    int32_t layout = -1;
    Tensor borrowed(weight);
    if (torch.get_layout(&borrowed, &layout) != 0 || layout != strided_layout) return nullptr;
    if (torch.get_data_ptr(&borrowed, &data) != 0 || !data) return nullptr;
    std::shared_ptr<const LinearWeight> found = registry().find(data);
    return found && found->is_whole_in(torch, borrowed) ? found : nullptr;
}

} // namespace nbit::torch

using namespace nbit::torch;

int32_t nbit_torch_linear_weight_create(void* data, int32_t data_type, const int64_t* sizes, int32_t dimensions,
                                        nbit_torch_linear_function linear, nbit_torch_convert_function convert,
                                        nbit_torch_release_function release, void* state, void** tensor)
{
    return guarded([&] {
        const Library& torch = library();
        required(static_cast<char*>(data), "data");
        required(sizes, "sizes");
        void*& out = required(tensor, "tensor");
        if (!linear || !convert || !release)
            throw Error(NBIT_STATUS_INVALID_ARGUMENT, "linear, convert or release is null; give all three functions");
        if (!is_weight_type(data_type))
            throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                        "data_type is %d; allowed are 0 (uint8), 1 (int8), 5 (float16), 6 (float32), 7 (float64) and "
                        "15 (bfloat16)",
                        data_type);
        if (dimensions < 1)
            throw Error(NBIT_STATUS_INVALID_ARGUMENT, "dimensions is %d; a weight has 1 or more", dimensions);
        for (int32_t i = 0; i < dimensions; i++)
            if (sizes[i] < 1)
                throw Error(NBIT_STATUS_INVALID_ARGUMENT, "sizes[%d] is %lld; a weight has elements", i,
                            static_cast<long long>(sizes[i]));
        registry().add(data, {linear, convert, release, state, {sizes, sizes + dimensions}});
        const auto type = static_cast<int8_t>(data_type);
        Tensor* made = torch.from_memory(data, release_weight, sizes, dimensions, type, type, 0, -1, false);
        if (!made) {
            registry().remove(data);
            throw Error(NBIT_STATUS_INTERNAL_ERROR, "libtorch could not make a tensor over the weight's memory");
        }
        out = made;
    });
}

int32_t nbit_torch_linear_weight_state(void* tensor, void** state)
{
    return guarded([&] {
        const Library& torch = library();
        const Tensor& t = defined(torch, tensor, "tensor");
        void*& out = required(state, "state");
        const auto weight = find_linear_weight(torch, t);
        out = weight ? weight->state : nullptr;
    });
}

int32_t nbit_torch_linear(void* input, void* weight, void* bias, void** result)
{
    return guarded([&] {
        const Library& torch = library();
        const Tensor &x = defined(torch, input, "input"), &w = defined(torch, weight, "weight");
        void*& out = required(result, "result");
        const auto* b = static_cast<const Tensor*>(bias);
        OptionalTensor optional{b ? *b : Tensor(), b != nullptr}; // borrowed
        const Tensor y = torch.linear(x, w, optional);
        out = new Tensor(y.impl); // moved to TorchSharp, which deletes it as an at::Tensor
    });
}
