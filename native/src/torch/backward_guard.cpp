// Refuses backward passes that would go around a precision mode, by a hook on the tensors that a module gave out.
#include "base/memory.h"
#include "torch/guard.h"
#include "torch/library.h"

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>

namespace
{

struct Switch {
    std::atomic<int32_t> allowed{0};
    std::basic_string<char, std::char_traits<char>, nbit::Allocator<char>> message;
};

} // namespace

// The switch is shared with the hooks, which live as long as the graphs of their tensors.
struct nbit_torch_backward_guard final : nbit::Allocated {
    std::shared_ptr<Switch> shared = std::allocate_shared<Switch>(nbit::Allocator<Switch>());
};

using namespace nbit::torch;

int32_t nbit_torch_backward_guard_create(const char* message, nbit_torch_backward_guard** guard)
{
    return guarded([&] {
        library();
        const char* text = &required(message, "message");
        nbit_torch_backward_guard*& out = required(guard, "guard");
        auto created = std::make_unique<nbit_torch_backward_guard>();
        created->shared->message = text;
        out = created.release();
    });
}

int32_t nbit_torch_backward_guard_destroy(nbit_torch_backward_guard* guard)
{
    return guarded([&] { delete guard; });
}

int32_t nbit_torch_backward_guard_allow(nbit_torch_backward_guard* guard, int32_t allowed)
{
    return guarded([&] { required(guard, "guard").shared->allowed += allowed ? 1 : -1; });
}

int32_t nbit_torch_backward_guard_attach(nbit_torch_backward_guard* guard, void* tensor)
{
    return guarded([&] {
        const Library& torch = library();
        const std::shared_ptr<Switch> shared = required(guard, "guard").shared;
        const Tensor& t = required(static_cast<Tensor*>(tensor), "tensor");
        // an undefined result leaves the gradient as it is
        torch.register_hook(&t, [shared, undefined = torch.undefined](const Tensor&) {
            if (shared->allowed.load() <= 0) throw std::runtime_error(shared->message.c_str());
            return Tensor(undefined);
        });
    });
}
