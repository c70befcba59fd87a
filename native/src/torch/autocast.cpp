// Autocast regions. The casts, their lists of operators and their cache are libtorch's; what is NBit's is to switch
// them and to keep the cache honest.
//
// libtorch 2.10 keeps the cast of a weight that was made under no_grad, and hands it out again later in the region,
// where grad is on: the weight then silently gets no gradient (fixed in 2.11). So, in a region that began with grad on,
// the cache rests while grad is off. A region that began with grad off uses it, and drops it when grad is turned on.
#include "torch/autocast.h"
#include "torch/guard.h"
#include "torch/library.h"

namespace nbit::torch
{
namespace
{

struct ThreadState {
    int32_t depth = 0;           // regions that are open
    bool cache_wanted = true;    // by the innermost one; libtorch's initial state outside of all
    bool began_with_grad = true; // the outermost one, or grad was turned on since
};
thread_local ThreadState state;

// What nbit_torch_autocast_exit restores, as one number.
struct Saved {
    int32_t depth;
    int8_t device_type, data_type;
    bool enabled, cache_wanted;

    int64_t pack() const
    {
        return static_cast<int64_t>(depth) << 32 | static_cast<int64_t>(device_type) << 24 |
               static_cast<int64_t>(data_type) << 16 | static_cast<int64_t>(enabled) << 8 | cache_wanted;
    }
    static Saved unpack(int64_t bits)
    {
        return {static_cast<int32_t>(bits >> 32), static_cast<int8_t>(bits >> 24), static_cast<int8_t>(bits >> 16),
                (bits >> 8 & 1) != 0, (bits & 1) != 0};
    }
};

int8_t checked_device(int32_t device_type)
{
    if (device_type != NBIT_DEVICE_KIND_CPU && device_type != NBIT_DEVICE_KIND_CUDA)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT, "device_type is %d; allowed are 0 (CPU) and 1 (CUDA)", device_type);
    return static_cast<int8_t>(device_type);
}

void update_cache(const Library& torch)
{
    const bool grad = torch.is_grad_enabled();
    if (grad && !state.began_with_grad) {
        torch.clear_cache();
        state.began_with_grad = true;
    }
    torch.set_autocast_cache_enabled(state.cache_wanted && (grad || !state.began_with_grad));
}

} // namespace

void grad_mode_changed() noexcept
{
    const Library* torch = library_or_null();
    if (torch && state.depth > 0) update_cache(*torch);
}

} // namespace nbit::torch

using namespace nbit::torch;

int32_t nbit_torch_autocast_enter(int32_t device_type, int32_t data_type, int32_t enabled, int32_t cache_enabled,
                                  int64_t* previous)
{
    return guarded([&] {
        const Library& torch = library();
        int64_t& out = required(previous, "previous");
        const int8_t device = checked_device(device_type);
        if (data_type != NBIT_DATA_TYPE_FLOAT16 && data_type != NBIT_DATA_TYPE_BFLOAT16)
            throw Error(NBIT_STATUS_INVALID_ARGUMENT, "data_type is %d; allowed are 5 (float16) and 15 (bfloat16)",
                        data_type);
        out = Saved{state.depth, device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device),
                    state.depth ? state.cache_wanted : torch.is_autocast_cache_enabled()}
                  .pack();
        torch.set_autocast_enabled(device, enabled != 0);
        torch.set_autocast_dtype(device, static_cast<int8_t>(data_type));
        torch.increment_nesting();
        if (state.depth++ == 0) state.began_with_grad = torch.is_grad_enabled();
        state.cache_wanted = cache_enabled != 0;
        update_cache(torch);
    });
}

int32_t nbit_torch_autocast_exit(int64_t previous)
{
    return guarded([&] {
        const Library& torch = library();
        const Saved saved = Saved::unpack(previous);
        if (saved.depth + 1 != state.depth)
            throw Error(NBIT_STATUS_INVALID_STATE,
                        "this autocast region is not the innermost one of this thread (it is number %d, the innermost "
                        "is number %d): end regions on the thread that began them, in reverse order",
                        saved.depth + 1, state.depth);
        if (torch.decrement_nesting() == 0) torch.clear_cache();
        --state.depth;
        state.cache_wanted = saved.cache_wanted;
        torch.set_autocast_enabled(saved.device_type, saved.enabled);
        torch.set_autocast_dtype(saved.device_type, saved.data_type);
        if (state.depth > 0)
            update_cache(torch);
        else
            torch.set_autocast_cache_enabled(saved.cache_wanted);
    });
}

int32_t nbit_torch_autocast_query(int32_t device_type, int32_t* data_type, int32_t* enabled, int32_t* cache_enabled)
{
    return guarded([&] {
        const Library& torch = library();
        const int8_t device = checked_device(device_type);
        int32_t &type = required(data_type, "data_type"), &on = required(enabled, "enabled"),
                &cache = required(cache_enabled, "cache_enabled");
        type = torch.get_autocast_dtype(device);
        on = torch.is_autocast_enabled(device);
        cache = torch.is_autocast_cache_enabled();
    });
}
