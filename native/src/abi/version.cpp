#include "abi/guard.h"

using namespace nbit;

int32_t nbit_version_get(int32_t* major, int32_t* minor, int32_t* patch)
{
    return guarded([&] {
        int32_t &a = required(major, "major"), &b = required(minor, "minor"), &c = required(patch, "patch");
        a = NBIT_ABI_VERSION_MAJOR;
        b = NBIT_ABI_VERSION_MINOR;
        c = NBIT_ABI_VERSION_PATCH;
    });
}
