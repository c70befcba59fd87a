#include "base/cpu.h"
#include "abi/guard.h"

using namespace nbit;

int32_t nbit_cpu_describe(const char** features)
{
    return guarded([&] { required(features, "features") = cpu_features(); });
}

int32_t nbit_instruction_set_detect(int32_t* which)
{
    return guarded([&] { required(which, "instruction_set") = best_instruction_set(); });
}

int32_t nbit_instruction_set_get(int32_t* which)
{
    return guarded([&] {
        int32_t& out = required(which, "instruction_set");
        out = instruction_set();
    });
}

int32_t nbit_instruction_set_force(int32_t which)
{
    return guarded([&] { force_instruction_set(which); });
}
