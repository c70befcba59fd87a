// Codes, types and inputs that the tests of 4-bit blocks share.
#pragma once
#include "cpu/blocks4.h"
#include "inputs.h"

namespace nbit::test
{

struct Code4 {
    const char* name;
    int32_t quant_type;
    std::vector<float> values, thresholds; // of fp4, those between magnitudes
};
const std::vector<Code4>& codes4();

// What one quantizer made.
struct Quantized4 {
    Bytes packed;
    std::vector<float> absmax;
};
Quantized4 quantize(const Blocks4Kernels& kernels, int32_t type, const Bytes& source, int64_t blocksize, bool stream);
Bytes dequantize(const Blocks4Kernels& kernels, const Quantized4& quantized, int32_t type, int64_t count,
                 int64_t blocksize, bool stream);

// Elements whose quotients lie where the code changes, and next to it, in blocks whose absmax is one of several
// numbers: blocks of 64 that begin with it.
std::vector<float> numbers_near_changes(const Code4& code);

int code_at(const Bytes& packed, int64_t index);

testing::AssertionResult same(const Quantized4& expected, const Quantized4& found);

} // namespace nbit::test
