// The guard of the exports of libnbit_torch: that of libnbit, with libtorch's messages shortened.
#pragma once
#include "abi/guard.h"
#include "nbit/nbit_torch.h"
#include "torch/library.h"

#include <cstring>

namespace nbit::torch
{

using nbit::Error;
using nbit::required;

// libtorch appends a C++ stack trace to its messages; the first part is what a user can act on.
inline Error shortened(const std::exception& error)
{
    const char* text = error.what();
    const char* trace = std::strstr(text, "\nException raised from ");
    return Error(NBIT_STATUS_INTERNAL_ERROR, "%.*s", static_cast<int>(trace ? trace - text : std::strlen(text)), text);
}

template <class Body> int32_t guarded(Body&& body) noexcept
{
    return nbit::guarded([&] {
        try {
            body();
        } catch (const Error&) {
            throw;
        } catch (const std::bad_alloc&) {
            throw;
        } catch (const std::exception& error) {
            throw shortened(error);
        }
    });
}

// For calls of libnbit's own ABI, whose message is already set.
inline void check(int32_t status)
{
    const char* message = "";
    if (status == NBIT_STATUS_OK) return;
    nbit_error_message(&message);
    throw Error(static_cast<nbit_status>(status), "%s", message);
}

// An at::Tensor* that must hold something.
inline Tensor& defined(const Library& torch, void* pointer, const char* name)
{
    Tensor& tensor = required(static_cast<Tensor*>(pointer), name);
    if (!tensor.impl || tensor.impl == torch.undefined)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT, "%s is an undefined tensor; give one that holds data", name);
    return tensor;
}

} // namespace nbit::torch
