// What the CPU offers, and which instruction set's kernels run.
#pragma once
#include "nbit/nbit.h"

namespace nbit
{

// The names of the features that choose kernels, separated by spaces.
const char* cpu_features() noexcept;

nbit_instruction_set best_instruction_set() noexcept;

// Throws where NBIT_ISA names an instruction set that does not exist or that this CPU lacks.
nbit_instruction_set instruction_set();

// Throws where this CPU lacks it.
void force_instruction_set(int32_t which);

const char* instruction_set_name(nbit_instruction_set which) noexcept;

} // namespace nbit
