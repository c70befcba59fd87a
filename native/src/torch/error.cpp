#include "torch/guard.h"

void nbit::set_error_message(const char* text) noexcept { nbit_error_set(text); }
