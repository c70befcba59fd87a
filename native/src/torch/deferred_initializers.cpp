#include "torch/deferred_initializers.h"
#include "base/memory.h"
#include "torch/guard.h"

#include <cstring>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

namespace nbit::torch
{
namespace
{

thread_local bool defers = false;

// By the address of the first element. An entry says nothing by itself (see Mark), so that one whose tensor is gone
// does no harm and keeps no memory of the tensor's.
class Registry
{
public:
    void add(const void* data, const KaimingUniform& initializer)
    {
        const std::lock_guard lock(mutex_);
        entries_.insert_or_assign(data, initializer);
    }

    std::optional<KaimingUniform> find(const void* data)
    {
        const std::lock_guard lock(mutex_);
        const auto place = entries_.find(data);
        return place == entries_.end() ? std::nullopt : std::optional(place->second);
    }

    void remove(const void* data)
    {
        const std::lock_guard lock(mutex_);
        entries_.erase(data);
    }

private:
    using Entry = std::pair<const void* const, KaimingUniform>;

    std::mutex mutex_;
    std::unordered_map<const void*, KaimingUniform, std::hash<const void*>, std::equal_to<>, Allocator<Entry>> entries_;
};

// Never destroyed: a model may be made while the process ends.
Registry& registry()
{
    static auto* const instance = new Registry();
    return *instance;
}

// A signaling NaN, which no arithmetic makes: the upper half is one in float16 and bfloat16 too.
constexpr uint32_t mark_bits = 0x7fa5c3e1;

// The mark at both ends of a matrix whose initializer is put off. Where it is gone, somebody filled the matrix: another
// initializer, a checkpoint. Only two pages of memory are touched.
class Mark
{
public:
    Mark(const Library& torch, const Tensor& tensor)
    {
        int64_t dimensions = 0, count = 0, *sizes = nullptr, *strides = nullptr;
        int32_t layout = -1, device = -1, type = -1;
        void* data = nullptr;
        Tensor borrowed(tensor);
        if (torch.get_dim(&borrowed, &dimensions) != 0 || dimensions != 2 ||
            torch.get_layout(&borrowed, &layout) != 0 || layout != strided_layout ||
            torch.get_device_type(&borrowed, &device) != 0 || device != cpu_device ||
            torch.get_dtype(&borrowed, &type) != 0 || torch.get_numel(&borrowed, &count) != 0 || count == 0 ||
            torch.get_data_ptr(&borrowed, &data) != 0 || !data || torch.get_sizes(&borrowed, &sizes) != 0 ||
            torch.get_strides(&borrowed, &strides) != 0 || strides[1] != 1 || strides[0] != sizes[1])
            return;
        size_ = type == NBIT_DATA_TYPE_FLOAT32                                      ? 4
                : type == NBIT_DATA_TYPE_FLOAT16 || type == NBIT_DATA_TYPE_BFLOAT16 ? 2
                                                                                    : 0;
        first_ = static_cast<char*>(data);
        last_ = first_ + static_cast<size_t>(count - 1) * size_;
    }

    // False for a tensor that is no contiguous matrix of the CPU's in a dtype of the quantizing modes.
    bool is_possible() const { return size_ != 0; }

    const void* data() const { return first_; }

    void set() const
    {
        std::memcpy(first_, bytes(), size_);
        std::memcpy(last_, bytes(), size_);
    }

    bool is_set() const
    {
        return is_possible() && std::memcmp(first_, bytes(), size_) == 0 && std::memcmp(last_, bytes(), size_) == 0;
    }

private:
    // The upper bytes of the bits (x86-64 is little-endian).
    const char* bytes() const { return reinterpret_cast<const char*>(&mark_bits) + (sizeof(mark_bits) - size_); }

    char *first_ = nullptr, *last_ = nullptr;
    size_t size_ = 0;
};

} // namespace

bool defer_initializer(const Library& torch, const Tensor& tensor, const KaimingUniform& initializer) noexcept
{
    if (!defers) return false;
    const Mark mark(torch, tensor);
    if (!mark.is_possible()) return false;
    try {
        registry().add(mark.data(), initializer);
        mark.set();
        return true;
    } catch (...) {
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
        const Mark mark(torch, t);
        const std::optional<KaimingUniform> initializer = mark.is_set() ? registry().find(mark.data()) : std::nullopt;
        found = initializer.has_value();
        if (found)
            torch.initializers.kaiming_uniform_(&into, initializer->slope, initializer->mode,
                                                initializer->nonlinearity);
    });
}

int32_t nbit_torch_initializer_forget(void* tensor)
{
    return guarded([&] {
        const Library& torch = library();
        const Tensor& t = defined(torch, tensor, "tensor");
        registry().remove(Mark(torch, t).data());
    });
}
