// Text of any length, in memory of the library's own.
#pragma once
#include "base/memory.h"

#include <string>
#include <vector>

namespace nbit
{

using String = std::basic_string<char, std::char_traits<char>, Allocator<char>>;
template <class T> using Vector = std::vector<T, Allocator<T>>;

// As printf writes it.
[[gnu::format(printf, 1, 2)]] String text(const char* format, ...);

bool starts_with(const String& whole, const char* start) noexcept;
bool ends_with(const String& whole, const char* end) noexcept;

} // namespace nbit
