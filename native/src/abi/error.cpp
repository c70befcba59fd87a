#include "abi/guard.h"

#include <cstdio>

namespace nbit
{
namespace
{

thread_local char message[1024] = "";

} // namespace

void set_error_message(const char* text) noexcept { std::snprintf(message, sizeof(message), "%s", text); }

} // namespace nbit

using namespace nbit;

int32_t nbit_error_message(const char** text)
{
    return guarded([&] { required(text, "message") = message; });
}

int32_t nbit_error_set(const char* text)
{
    return guarded([&] { set_error_message(&required(text, "message")); });
}
