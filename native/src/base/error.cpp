#include "base/error.h"

#include <cstdarg>
#include <cstdio>

namespace nbit
{

Error::Error(nbit_status status, const char* format, ...) noexcept : status_(status)
{
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text_, capacity, format, arguments);
    va_end(arguments);
}

} // namespace nbit
