// The functions of LibTorchSharp that NBit stands in for. TorchSharp's P/Invokes reach them because NBit gives this
// library to the runtime in LibTorchSharp's place; every name that is not here is found in LibTorchSharp, which this
// library depends on.
//
//   THSNN_functional_linear      TorchSharp's is the C++ frontend's linear (addmm, or matmul plus an addition), which
//                                autocast cannot cache and whose 3-D results differ from PyTorch's. Here: aten::linear,
//                                or what the weight was made for (see linear_weight.h).
//   THSTensor_to_type_and_device The same, unless the tensor is such a weight: Module.to, which makes new parameters by
//   it,
//                                would lose what the weight was made for.
//   THSAutograd_setGrad,         The same, plus what libtorch's autocast cache needs (see autocast.cpp).
//   THSAutograd_*InferenceModeGuard
//   THSInit_*                    The same, unless this thread makes modules whose weights are loaded or initialized
//                                later (see deferred_initializers.h).
#include "torch/autocast.h"
#include "torch/deferred_initializers.h"
#include "torch/guard.h"
#include "torch/library.h"
#include "torch/linear_weight.h"

#include <atomic>
#include <stdexcept>

namespace nbit::torch
{
namespace
{

std::atomic<int64_t> linear_calls{0}, grad_mode_calls{0};
thread_local const char* pending_message = nullptr;
thread_local bool skips_initializers = false;

// TorchSharp reads LibTorchSharp's own thread-local error, which only LibTorchSharp's code sets: when a C++ exception
// reaches one of its entry points. So one is let through the callback of such an entry point.
int64_t* throw_pending(size_t) { throw std::runtime_error(pending_message); }

void report_to_torchsharp(const Library& torch, const Tensor* any, const char* message) noexcept
{
    pending_message = message;
    torch.sizes(any, throw_pending);
}

} // namespace
} // namespace nbit::torch

using namespace nbit::torch;

extern "C" {

NBIT_EXPORT Tensor* THSNN_functional_linear(const Tensor* input, const Tensor* weight, const Tensor* bias) noexcept
{
    const Library* torch = library_or_null();
    if (!torch) return nullptr;
    linear_calls.fetch_add(1, std::memory_order_relaxed);
    try {
        if (const std::shared_ptr<const LinearWeight> own = find_linear_weight(*torch, *weight))
            return own->apply(input, weight, bias);
        OptionalTensor optional{bias ? *bias : Tensor(), bias != nullptr}; // borrowed
        const Tensor result = torch->linear(*input, *weight, optional);
        return new Tensor(result.impl); // moved to TorchSharp, which deletes it as an at::Tensor
    } catch (const std::exception& error) {
        report_to_torchsharp(*torch, input, error.what());
    } catch (...) {
        report_to_torchsharp(*torch, input, "linear failed with an exception of unknown type");
    }
    return nullptr;
}

NBIT_EXPORT Tensor* THSTensor_to_type_and_device(const Tensor* tensor, int8_t type, int32_t device_type,
                                                 int32_t device_index, bool copy, bool non_blocking) noexcept
{
    const Library* torch = library_or_null();
    if (!torch) return nullptr;
    Tensor* converted = torch->to_type_and_device(tensor, type, device_type, device_index, copy, non_blocking);
    if (!converted || converted->impl == tensor->impl) return converted;
    Tensor* result = nullptr;
    try {
        const std::shared_ptr<const LinearWeight> own = find_linear_weight(*torch, *tensor);
        result = own ? own->convert_to(converted) : nullptr;
        if (!result) return converted;
    } catch (const std::exception& error) {
        report_to_torchsharp(*torch, tensor, error.what());
    }
    torch->delete_tensor(converted);
    return result;
}

NBIT_EXPORT void THSAutograd_setGrad(bool enabled) noexcept
{
    const Library* torch = library_or_null();
    if (!torch) return;
    grad_mode_calls.fetch_add(1, std::memory_order_relaxed);
    torch->set_grad(enabled);
    grad_mode_changed();
}

NBIT_EXPORT void* THSAutograd_getInferenceModeGuard(bool mode) noexcept
{
    const Library* torch = library_or_null();
    if (!torch) return nullptr;
    void* guard = torch->new_inference_mode(mode);
    grad_mode_changed();
    return guard;
}

NBIT_EXPORT void THSAutograd_deleteInferenceModeGuard(void* guard) noexcept
{
    const Library* torch = library_or_null();
    if (!torch) return;
    torch->delete_inference_mode(guard);
    grad_mode_changed();
}

// In the order and with the parameters of LibTorchSharp's THSInit.
#define NBIT_TORCH_INITIALIZER(name, parameters, arguments)                                                            \
    NBIT_EXPORT void THSInit_##name parameters noexcept                                                                \
    {                                                                                                                  \
        const Library* torch = library_or_null();                                                                      \
        if (torch && !skips_initializers) torch->initializers.name arguments;                                          \
    }
NBIT_TORCH_INITIALIZER(constant_, (const Tensor* tensor, void* value), (tensor, value))
NBIT_TORCH_INITIALIZER(dirac_, (const Tensor* tensor), (tensor))
NBIT_TORCH_INITIALIZER(eye_, (const Tensor* tensor), (tensor))
NBIT_TORCH_INITIALIZER(normal_, (const Tensor* tensor, double mean, double deviation), (tensor, mean, deviation))
NBIT_TORCH_INITIALIZER(trunc_normal_, (const Tensor* tensor, double mean, double deviation, double low, double high),
                       (tensor, mean, deviation, low, high))
NBIT_TORCH_INITIALIZER(ones_, (const Tensor* tensor), (tensor))
NBIT_TORCH_INITIALIZER(orthogonal_, (const Tensor* tensor, double gain), (tensor, gain))
NBIT_TORCH_INITIALIZER(sparse_, (const Tensor* tensor, double sparsity, double deviation),
                       (tensor, sparsity, deviation))
NBIT_TORCH_INITIALIZER(uniform_, (const Tensor* tensor, double low, double high), (tensor, low, high))
NBIT_TORCH_INITIALIZER(kaiming_normal_, (const Tensor* tensor, double slope, int64_t mode, int64_t nonlinearity),
                       (tensor, slope, mode, nonlinearity))
NBIT_TORCH_INITIALIZER(xavier_normal_, (const Tensor* tensor, double gain), (tensor, gain))
NBIT_TORCH_INITIALIZER(xavier_uniform_, (const Tensor* tensor, double gain), (tensor, gain))
NBIT_TORCH_INITIALIZER(zeros_, (const Tensor* tensor), (tensor))
#undef NBIT_TORCH_INITIALIZER

NBIT_EXPORT void THSInit_kaiming_uniform_(const Tensor* tensor, double slope, int64_t mode,
                                          int64_t nonlinearity) noexcept
{
    const Library* torch = library_or_null();
    if (!torch || defer_initializer(*torch, *tensor, {slope, mode, nonlinearity}) || skips_initializers) return;
    torch->initializers.kaiming_uniform_(tensor, slope, mode, nonlinearity);
}

} // extern "C"

int32_t nbit_torch_initializers_skip(int32_t skip, int32_t* previous)
{
    return guarded([&] {
        required(previous, "previous") = skips_initializers;
        skips_initializers = skip != 0;
    });
}

int32_t nbit_torch_interposed_count(int64_t* linear, int64_t* grad_mode)
{
    return guarded([&] {
        int64_t &l = required(linear, "linear"), &g = required(grad_mode, "grad_mode");
        l = linear_calls.load();
        g = grad_mode_calls.load();
    });
}
