// Functions of the caller in the backward passes of libtorch.
#include "base/memory.h"
#include "torch/guard.h"
#include "torch/library.h"

#include <memory>
#include <stdexcept>

using namespace nbit::torch;

namespace
{

// One for all copies that libtorch makes of a hook; released with the last one.
struct Hook {
    nbit_torch_gradient_function gradient;
    nbit_torch_release_function release = nullptr;
    void* state;

    ~Hook()
    {
        if (release) release(state);
    }

    Tensor operator()(const Tensor& value, void* undefined) const
    {
        void* replacement = nullptr;
        const bool is_defined = value.impl && value.impl != undefined;
        if (gradient(state, is_defined ? const_cast<Tensor*>(&value) : nullptr, &replacement) != NBIT_STATUS_OK) {
            const char* message = "";
            nbit_error_message(&message);
            throw std::runtime_error(message);
        }
        if (!replacement) return Tensor(undefined); // libtorch leaves the gradient as it is
        const std::unique_ptr<Tensor> shell(static_cast<Tensor*>(replacement));
        return Tensor(shell->impl); // its reference moves to libtorch
    }
};

} // namespace

int32_t nbit_torch_gradient_hook(void* tensor, nbit_torch_gradient_function gradient,
                                 nbit_torch_release_function release, void* state)
{
    return guarded([&] {
        const Library& torch = library();
        const Tensor& t = defined(torch, tensor, "tensor");
        if (!gradient || !release)
            throw Error(NBIT_STATUS_INVALID_ARGUMENT, "gradient and release are null; give both functions");
        const auto hook = std::allocate_shared<Hook>(nbit::Allocator<Hook>());
        hook->gradient = gradient;
        hook->state = state;
        torch.register_hook(
            &t, [hook, undefined = torch.undefined](const Tensor& value) { return (*hook)(value, undefined); });
        hook->release = release; // from here on, the graph owns the state
    });
}
