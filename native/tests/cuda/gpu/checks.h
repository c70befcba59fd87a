// What a GPU computes, compared with golden data and with the CPU.
#pragma once
#include "base/data_type.h"
#include "comparisons.h"
#include "cuda/runtime.h"
#include "nbit/nbit.h"
#include "safetensors.h"

#include <functional>
#include <map>
#include <memory>
#include <ostream>

namespace nbit::gpu
{

// Of a group of cases.
struct Outcome {
    int passed = 0, failed = 0, left_to_others = 0;
    std::string first; // failure, or reason why it was left
};

// Runs operations on a device and keeps the books.
class Checks
{
public:
    // Memory that an operation reads or writes; its addresses, null where empty.
    using Memory = std::vector<Bytes>;
    using Addresses = std::vector<void*>;
    using Operation = std::function<int32_t(nbit_context*, const Addresses&)>;
    // Says what is wrong with what was found, or nothing.
    using Comparison = std::function<std::string(const Memory& expected, const Memory& found)>;

    // Throws an Error where there is no CUDA runtime or no such device.
    Checks(const cuda::Runtime& runtime, int32_t device);

    nbit_context* cuda() const { return cuda_.get(); }
    nbit_context* cpu() const { return cpu_.get(); }
    // Throws where a call on the CPU, for what is to be compared, has failed.
    static void require(int32_t status);
    // A book for both devices; released with the checks.
    const nbit_codebook8* book(const float* values);

    // Runs it on the device and compares with what is expected, or with what the CPU makes of the same memory.
    void compare(const std::string& group, const std::string& name, const Memory& memory, const Memory& expected,
                 const Operation& operation, const Comparison& comparison);
    void compare_with_cpu(const std::string& group, const std::string& name, const Memory& memory,
                          const Operation& operation, const Comparison& comparison);

    // A line a group, and one that says it all.
    void print(std::ostream& out) const;
    bool has_failed() const;

private:
    using Context = std::unique_ptr<nbit_context, int32_t (*)(nbit_context*)>;
    using Book = std::unique_ptr<nbit_codebook8, int32_t (*)(nbit_codebook8*)>;
    int32_t on_device(Memory& memory, const Operation& operation) const;

    const cuda::Runtime& runtime_;
    int32_t device_;
    Context cpu_, cuda_;
    std::vector<Book> books_;
    std::map<std::string, Outcome> outcomes_;
};

// The cases of the golden folder's files of blocks.
void check_golden_blocks(Checks& checks, const std::string& directory);
// Everything else that has a kernel, with random numbers.
void check_blocks(Checks& checks);
void check_products(Checks& checks);
void check_optimizers(Checks& checks);
// Float8, MXFP8, float8 blocks and NVFP4: the golden folder's files, and random numbers.
void check_golden_float8(Checks& checks, const std::string& directory);
void check_scaled_matrices(Checks& checks);

// Random numbers of a type, in blocks of several magnitudes.
Bytes random_elements(int32_t type, int64_t count, unsigned seed);
Bytes random_bytes(int64_t count, unsigned seed);
Bytes nothing(int64_t bytes);
template <class T> Bytes bytes_of(const std::vector<T>& elements)
{
    const auto* begin = reinterpret_cast<const unsigned char*>(elements.data());
    return Bytes(begin, begin + elements.size() * sizeof(T));
}
std::string type_name(int32_t type);

} // namespace nbit::gpu
