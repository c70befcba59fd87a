// Functions of libraries that are opened at run time.
#pragma once
#include "base/error.h"
#include "base/text.h"

namespace nbit::cuda
{

// Where a function is looked up, and since which version of its library it is there.
struct ForeignName {
    const char* library;
    String symbol;
    const char* since;
};

template <class Signature> class ForeignFunction;

// Empty until it is found. No exception of the library gets past it: bitsandbytes and Transformer Engine are C++.
template <class Result, class... Parameters> class ForeignFunction<Result(Parameters...)>
{
public:
    void set(const ForeignName& name, void* address)
    {
        name_ = name;
        function_ = reinterpret_cast<Result (*)(Parameters...)>(address);
    }
    bool is_there() const noexcept { return function_; }
    const ForeignName& name() const noexcept { return name_; }

    Result operator()(Parameters... arguments) const
    {
        if (!function_)
            throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                        "this %s has no %s, which is there since version %s; install a newer version",
                        name_.library ? name_.library : "library", name_.symbol.c_str(),
                        name_.since ? name_.since : "unknown");
        try {
            return function_(arguments...);
        } catch (const std::exception& error) {
            throw Error(NBIT_STATUS_INTERNAL_ERROR, "%s of %s failed: %s", name_.symbol.c_str(), name_.library,
                        error.what());
        } catch (...) {
            throw Error(NBIT_STATUS_INTERNAL_ERROR, "%s of %s threw an exception of unknown type", name_.symbol.c_str(),
                        name_.library);
        }
    }

    // Where nothing can be done about a failure.
    void quietly(Parameters... arguments) const noexcept
    {
        try {
            (*this)(arguments...);
        } catch (...) {
        }
    }

private:
    ForeignName name_{nullptr, {}, nullptr};
    Result (*function_)(Parameters...) = nullptr;
};

} // namespace nbit::cuda
