#include "torch/library.h"
#include "base/platform.h"
#include "torch/guard.h"

#include <atomic>
#include <cstring>
#include <mutex>

namespace nbit::torch
{
namespace
{

std::atomic<const Library*> loaded{nullptr};

Library find(void* libtorchsharp)
{
    Library found{};
    char missing[768] = "";
    const auto look_up = [&](auto& function, const char* symbol) {
        function =
            reinterpret_cast<std::remove_reference_t<decltype(function)>>(platform::find_symbol(libtorchsharp, symbol));
        if (function || std::strlen(missing) + std::strlen(symbol) + 3 > sizeof(missing)) return;
        if (missing[0]) std::strcat(missing, ", ");
        std::strcat(missing, symbol);
    };
#define NBIT_TORCH_LOOK_UP(name, type, symbol) look_up(found.name, symbol);
    NBIT_TORCH_SYMBOLS(NBIT_TORCH_LOOK_UP)
#undef NBIT_TORCH_LOOK_UP
#define NBIT_TORCH_LOOK_UP(name, ...) look_up(found.initializers.name, "THSInit_" #name);
    NBIT_TORCH_INITIALIZERS(NBIT_TORCH_LOOK_UP)
#undef NBIT_TORCH_LOOK_UP
    found.get_current_cuda_stream = reinterpret_cast<decltype(found.get_current_cuda_stream)>(
        platform::find_symbol(libtorchsharp, "aoti_torch_get_current_cuda_stream"));
    if (missing[0])
        throw Error(NBIT_STATUS_NOT_SUPPORTED,
                    "the loaded LibTorchSharp and libtorch lack what NBit needs: %s. NBit is made for TorchSharp 0.107 "
                    "with libtorch 2.10; reference these versions.",
                    missing);
    Tensor* undefined = nullptr;
    if (found.new_uninitialized_tensor(&undefined) != 0)
        throw Error(NBIT_STATUS_INTERNAL_ERROR, "libtorch could not make an undefined tensor");
    found.undefined = undefined->impl;
    found.delete_tensor(undefined);
    return found;
}

} // namespace

const Library* library_or_null() noexcept { return loaded.load(std::memory_order_acquire); }

const Library& library()
{
    const Library* found = library_or_null();
    if (!found)
        throw Error(NBIT_STATUS_INVALID_STATE,
                    "libnbit_torch is not connected to libtorch; call nbit_torch_initialize (in .NET "
                    "NBitRuntime.Initialize()) first");
    return *found;
}

} // namespace nbit::torch

using namespace nbit::torch;

int32_t nbit_torch_initialize(void* libtorchsharp)
{
    return guarded([&] {
        required(static_cast<char*>(libtorchsharp), "libtorchsharp");
        static std::mutex once;
        const std::lock_guard lock(once);
        if (library_or_null()) return;
        static Library found;
        found = find(libtorchsharp);
        check(nbit_parallel_set_backend(found.parallel_for));
        loaded.store(&found, std::memory_order_release);
    });
}
