// Transformer Engine on the fake devices: its tensors and configs, and what its kernels compute. It checks what the
// library checks, and computes with the kernels of the CPU: its own are the layouts of scales.
#pragma once
#include "fake_device.h"

#include <array>

namespace nbit::test
{

// NVTEBasicTensor
struct FakeBasicTensor {
    void* data;
    int32_t type;
    fake::Shape shape;
};

struct FakeTensor {
    int32_t mode = 0;
    std::map<int32_t, FakeBasicTensor> parameters; // by NVTETensorParam
    bool has_swizzled_scales = false;

    bool has(int32_t parameter) const { return parameters.count(parameter) != 0; }
    const FakeBasicTensor& at(int32_t parameter) const;
    // Data by rows, or by columns where there is none.
    const FakeBasicTensor& data() const { return at(has(0) ? 0 : 1); }
};

struct FakeConfig {
    bool is_for_products = false;
    std::map<int32_t, std::vector<unsigned char>> attributes;

    template <class T> T get(int32_t attribute) const
    {
        const auto found = attributes.find(attribute);
        T value{};
        if (found != attributes.end())
            std::copy_n(found->second.data(), sizeof(T), reinterpret_cast<unsigned char*>(&value));
        return value;
    }
};

class FakeEngine
{
public:
    // Answers for a function of the library; gives back the work of its stream, or nothing where the host has done all.
    FakeDevice::Work answer(const fake::Call& call);

    size_t live_objects() const { return tensors_.size() + configs_.size(); }
    // By their handles.
    FakeTensor& tensor(void* handle) const;
    const FakeConfig& config(void* handle) const;

    // What a version of the library knows: lower numbers are of older ones.
    int32_t known_quantization_attributes = 11, known_parameters = 10;

private:
    void set_parameter(FakeTensor& tensor, int32_t parameter, const void* value, size_t bytes) const;
    bool answer_for_tensors(const fake::Call& call);
    bool answer_for_configs(const fake::Call& call);

    std::map<void*, std::unique_ptr<FakeTensor>> tensors_;
    std::map<void*, std::unique_ptr<FakeConfig>> configs_;
};

// The work of a call of a kernel, whose tensors and configs may be gone when it is done.
FakeDevice::Work engine_work(const FakeEngine& engine, const fake::Call& call);

} // namespace nbit::test
