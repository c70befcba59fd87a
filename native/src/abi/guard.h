// What every export is made of: a body that may throw, turned into a status.
#pragma once
#include "base/error.h"

#include <new>

namespace nbit
{

// The text that nbit_error_message gives on this thread. libnbit_torch sets it through the ABI of libnbit.
void set_error_message(const char* text) noexcept;

template <class Body> int32_t guarded(Body&& body) noexcept
{
    try {
        body();
        return NBIT_STATUS_OK;
    } catch (const Error& error) {
        set_error_message(error.what());
        return error.status();
    } catch (const std::bad_alloc&) {
        set_error_message(
            "out of memory: an allocation of native memory failed; free memory or work on smaller pieces");
        return NBIT_STATUS_OUT_OF_MEMORY;
    } catch (const std::exception& error) {
        set_error_message(error.what());
        return NBIT_STATUS_INTERNAL_ERROR;
    } catch (...) {
        set_error_message("an exception of unknown type was thrown inside the library; please report this");
        return NBIT_STATUS_INTERNAL_ERROR;
    }
}

// For out pointers and other pointers that must not be null.
template <class T> T& required(T* pointer, const char* name)
{
    if (!pointer) throw Error(NBIT_STATUS_INVALID_ARGUMENT, "%s is null; give the address of memory for it", name);
    return *pointer;
}

} // namespace nbit
