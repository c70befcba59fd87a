// Failures inside the library: a status and the message that the caller reads.
#pragma once
#include "nbit/nbit.h"

#include <cstddef>
#include <exception>

namespace nbit
{

// Holds its text in place, so that reporting a lack of memory needs none.
class Error final : public std::exception
{
public:
    // The message says what was given, what is allowed and what to do.
    [[gnu::format(printf, 3, 4)]] Error(nbit_status status, const char* format, ...) noexcept;

    nbit_status status() const noexcept { return status_; }
    const char* what() const noexcept override { return text_; }

private:
    static constexpr size_t capacity = 1024;
    nbit_status status_;
    char text_[capacity];
};

} // namespace nbit
