#include "torch/deferred_initializers.h"
#include "base/memory.h"
#include "torch/guard.h"

#include <mutex>
#include <optional>
#include <unordered_map>

namespace nbit::torch
{
namespace
{

thread_local bool defers = false;

// The handle keeps the tensor alive, so that no other one takes its address.
struct Deferred {
    Tensor* handle;
    KaimingUniform initializer;
};

class Registry
{
public:
    void add(void* impl, const Deferred& deferred)
    {
        const std::lock_guard lock(mutex_);
        entries_.insert_or_assign(impl, deferred);
    }

    std::optional<Deferred> find(void* impl)
    {
        const std::lock_guard lock(mutex_);
        const auto place = entries_.find(impl);
        return place == entries_.end() ? std::nullopt : std::optional(place->second);
    }

    std::optional<Deferred> remove(void* impl)
    {
        const std::lock_guard lock(mutex_);
        const auto place = entries_.find(impl);
        if (place == entries_.end()) return std::nullopt;
        const Deferred removed = place->second;
        entries_.erase(place);
        return removed;
    }

private:
    std::mutex mutex_;
    std::unordered_map<void*, Deferred, std::hash<void*>, std::equal_to<>, Allocator<std::pair<void* const, Deferred>>>
        entries_;
};

// Never destroyed: its tensors are libtorch's, which may be gone before.
Registry& registry()
{
    static auto* const instance = new Registry();
    return *instance;
}

bool is_matrix(const Library& torch, const Tensor& tensor)
{
    int64_t dimensions = 0;
    Tensor borrowed(tensor);
    return torch.get_dim(&borrowed, &dimensions) == 0 && dimensions == 2;
}

} // namespace

bool defer_initializer(const Library& torch, const Tensor& tensor, const KaimingUniform& initializer) noexcept
{
    if (!defers || !is_matrix(torch, tensor)) return false;
    Tensor borrowed(tensor);
    Tensor* handle = nullptr;
    if (torch.new_reference(&borrowed, &handle) != 0) return false;
    try {
        registry().add(tensor.impl, {handle, initializer});
        return true;
    } catch (...) {
        torch.delete_tensor(handle);
        return false; // it runs now, which only costs memory
    }
}

} // namespace nbit::torch

using namespace nbit::torch;

int32_t nbit_torch_initializers_defer(int32_t defer, int32_t* previous)
{
    return guarded([&] {
        required(previous, "previous") = defers;
        defers = defer != 0;
    });
}

int32_t nbit_torch_initializer_run(void* tensor, void* target, int32_t* was_deferred)
{
    return guarded([&] {
        const Library& torch = library();
        const Tensor &t = defined(torch, tensor, "tensor"), &into = defined(torch, target, "target");
        int32_t& found = required(was_deferred, "was_deferred");
        const std::optional<Deferred> deferred = registry().find(t.impl);
        if (deferred) {
            const KaimingUniform& initializer = deferred->initializer;
            torch.initializers.kaiming_uniform_(&into, initializer.slope, initializer.mode, initializer.nonlinearity);
        }
        found = deferred.has_value();
    });
}

int32_t nbit_torch_initializer_forget(void* tensor)
{
    return guarded([&] {
        const Library& torch = library();
        const Tensor& t = defined(torch, tensor, "tensor");
        if (const std::optional<Deferred> deferred = registry().remove(t.impl)) torch.delete_tensor(deferred->handle);
    });
}
