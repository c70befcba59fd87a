#include "base/memory.h"
#include "torch/guard.h"
#include "torch/library.h"

#include <vector>

using namespace nbit::torch;

int32_t nbit_torch_gradients_unscale(void* const* gradients, int64_t count, void* found_inf, void* inverse_scale)
{
    return guarded([&] {
        const Library& torch = library();
        Tensor& found = defined(torch, found_inf, "found_inf");
        const Tensor& inverse = defined(torch, inverse_scale, "inverse_scale");
        if (count < 0)
            throw Error(NBIT_STATUS_INVALID_ARGUMENT, "count is %lld; give 0 or more", static_cast<long long>(count));
        if (count == 0) return;
        required(gradients, "gradients");
        std::vector<Tensor, nbit::Allocator<Tensor>> list; // borrowed references, side by side as libtorch wants them
        list.reserve(static_cast<size_t>(count));
        for (int64_t i = 0; i < count; ++i)
            list.emplace_back(defined(torch, gradients[i], "an element of gradients").impl);
        torch.unscale_gradients({list.data(), list.size()}, found, inverse);
    });
}

int32_t nbit_torch_scale_update(void* scale, void* growth_tracker, void* found_inf, double growth_factor,
                                double backoff_factor, int64_t growth_interval)
{
    return guarded([&] {
        const Library& torch = library();
        torch.update_scale(defined(torch, scale, "scale"), defined(torch, growth_tracker, "growth_tracker"),
                           defined(torch, found_inf, "found_inf"), growth_factor, backoff_factor, growth_interval);
    });
}
