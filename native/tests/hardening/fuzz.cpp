// Random calls of every export, with the bytes of a fuzzer (libFuzzer).
#include "hardening/trial.h"

#include <cstdio>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    const std::string wrong = nbit::test::run_trial({data, size});
    if (wrong.empty()) return 0;
    std::fprintf(stderr, "%s\n", wrong.c_str());
    std::abort();
}
