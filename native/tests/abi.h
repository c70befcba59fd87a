// What tests of the ABI share.
#pragma once
#include "nbit/nbit.h"

#include <memory>
#include <string>

namespace nbit::test
{

std::string last_error();

using Context = std::unique_ptr<nbit_context, int32_t (*)(nbit_context*)>;
Context cpu_context(int32_t threads);

using Codebook = std::unique_ptr<nbit_codebook8, int32_t (*)(nbit_codebook8*)>;
Codebook dynamic_codebook(nbit_context* context, bool is_signed);
Codebook codebook_of(nbit_context* context, const float* values);

// Puts the instruction set back that was chosen before.
class ForcedInstructionSet
{
public:
    explicit ForcedInstructionSet(nbit_instruction_set set);
    ~ForcedInstructionSet() { nbit_instruction_set_force(before_); }
    ForcedInstructionSet(const ForcedInstructionSet&) = delete;

private:
    int32_t before_ = 0;
};

#if defined(__x86_64__)
// Until it ends, the thread flushes denormals and rounds up, as a process may ask its math library to.
class OddFloatMode
{
public:
    OddFloatMode();
    ~OddFloatMode(); // expects that nobody changed it
    OddFloatMode(const OddFloatMode&) = delete;

private:
    unsigned usual_, odd_;
};
#endif

} // namespace nbit::test
