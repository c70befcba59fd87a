// A reader of safetensors files for tests: their header is trusted.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace nbit::gpu
{

struct Tensor {
    std::string dtype; // "F32", "F16", "BF16", "U8", "I8", "I32", ...
    std::vector<int64_t> shape;
    std::vector<unsigned char> bytes;

    int64_t count() const;
    int32_t type() const; // of nbit_data_type; -1 for others
};

// Throws std::runtime_error where the file cannot be read. See https://github.com/huggingface/safetensors for the
// format.
std::map<std::string, Tensor> read_safetensors(const std::string& path);

} // namespace nbit::gpu
