#include "abi.h"

#include <gtest/gtest.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace nbit::test
{

std::string last_error()
{
    const char* message = nullptr;
    EXPECT_EQ(nbit_error_message(&message), NBIT_STATUS_OK);
    return message;
}

Context cpu_context(int32_t threads)
{
    nbit_context* context = nullptr;
    EXPECT_EQ(nbit_context_create(NBIT_DEVICE_KIND_CPU, 0, threads, &context), NBIT_STATUS_OK) << last_error();
    return {context, nbit_context_destroy};
}

Codebook dynamic_codebook(nbit_context* context, bool is_signed)
{
    nbit_codebook8* book = nullptr;
    EXPECT_EQ(nbit_codebook8_create_dynamic(context, is_signed, &book), NBIT_STATUS_OK) << last_error();
    return {book, nbit_codebook8_destroy};
}

Codebook codebook_of(nbit_context* context, const float* values)
{
    nbit_codebook8* book = nullptr;
    EXPECT_EQ(nbit_codebook8_create(context, values, &book), NBIT_STATUS_OK) << last_error();
    return {book, nbit_codebook8_destroy};
}

ForcedInstructionSet::ForcedInstructionSet(nbit_instruction_set set)
{
    nbit_instruction_set_get(&before_);
    EXPECT_EQ(nbit_instruction_set_force(set), NBIT_STATUS_OK) << last_error();
}

#if defined(__x86_64__)
OddFloatMode::OddFloatMode() : usual_(_mm_getcsr())
{
    constexpr unsigned flush_to_zero = 0x8000, denormals_are_zero = 0x40, round_up = 0x4000;
    odd_ = usual_ | flush_to_zero | denormals_are_zero | round_up;
    _mm_setcsr(odd_);
}

OddFloatMode::~OddFloatMode()
{
    const unsigned after = _mm_getcsr();
    _mm_setcsr(usual_);
    EXPECT_EQ(after, odd_);
}
#endif

} // namespace nbit::test
