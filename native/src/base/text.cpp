#include "base/text.h"

#include <cstdarg>
#include <cstdio>
#include <string_view>

namespace nbit
{

String text(const char* format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int length = std::vsnprintf(nullptr, 0, format, arguments);
    va_end(arguments);
    String written(static_cast<size_t>(length), '\0');
    std::vsnprintf(written.data(), written.size() + 1, format, again);
    va_end(again);
    return written;
}

bool starts_with(const String& whole, const char* start) noexcept { return std::string_view(whole).starts_with(start); }

bool ends_with(const String& whole, const char* end) noexcept { return std::string_view(whole).ends_with(end); }

} // namespace nbit
