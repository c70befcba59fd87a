// Scaled matrices of the host, and products of them on a GPU.
#pragma once
#include "checks.h"

namespace nbit::gpu
{

struct Operand {
    int32_t format, scaling;
    bool is_transposed; // in its product
    int64_t rows, columns;
    Bytes codes, scales, amax; // amax: of NVFP4
};

struct Product {
    Operand a, b;
    int32_t bias_type;
    Bytes bias; // empty for none
    int32_t target_type;
    Bytes expected; // empty for what the CPU makes of it
};

// On the CPU, of a matrix [rows, columns], or of its transpose where the operand has it the other way round.
Operand quantized(const Checks& checks, int32_t format, int32_t scaling, bool is_transposed, int32_t type,
                  const Bytes& source, int64_t rows, int64_t columns);

// On the device.
void check_product(Checks& checks, const std::string& group, const std::string& name, const Product& product);
// With one scale, or none: codes and, where given, 1 / scale.
void check_float8_quantizer(Checks& checks, const std::string& group, const std::string& name, int32_t type,
                            int32_t format, const Tensor& source, const Bytes& scale, const Bytes& codes,
                            const Bytes& inverse);

// The same bytes wherever some are expected.
std::string compare_all(const Checks::Memory& expected, const Checks::Memory& found);

// Of a golden file.
using Tensors = std::map<std::string, Tensor>;
// What stands before `end` in the names of tensors.
std::vector<std::string> prefixes(const Tensors& tensors, const std::string& end);
void check_golden_layers(Checks& checks, const std::string& file, const Tensors& tensors);
void check_golden_block_formats(Checks& checks, const std::string& file, const Tensors& tensors);

} // namespace nbit::gpu
