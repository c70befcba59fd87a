// Tests of CUDA contexts on the fake devices.
#pragma once
#include "../abi.h"
#include "../inputs.h"
#include "fake_engine.h"
#include "fake_kernels.h"

#include <gtest/gtest.h>

#include <map>

namespace nbit::test
{

struct Recorded {
    fake::Call call;
    int32_t device; // that was current
};

// A context on the second of two devices, whose stream waits for nothing by itself.
class CudaTest : public testing::Test
{
protected:
    CudaTest();
    ~CudaTest() override;

    static constexpr int32_t device_index = 1, cuda_version = 13000;
    static inline void* const stream = reinterpret_cast<void*>(0x57);

    nbit_context* context() const { return context_.get(); }
    FakeDevice& device() { return device_; }
    FakeEngine& engine() { return engine_; }
    const std::vector<Recorded>& calls() const { return calls_; }
    void forget_calls() { calls_.clear(); }
    // Of libraries other than the CUDA runtime.
    std::vector<fake::Call> kernel_calls() const;
    // The only call of this function.
    const fake::Call& call_of(const std::string& function) const;

    // Memory of the device, released when the test ends.
    void* upload(const Bytes& bytes);
    Bytes download(const void* memory, size_t bytes);
    template <class T> T* upload(const std::vector<T>& elements) { return static_cast<T*>(upload(bytes_of(elements))); }

    // Arguments of an operation: memory that it reads or writes, whose address it gets; null where empty.
    using Addresses = std::vector<void*>;
    using Operation = std::function<int32_t(nbit_context*, const Addresses&)>;
    // Runs it on the CPU and on CUDA, with memory of each, and expects the same status and bytes.
    void expect_same_as_on_cpu(const std::vector<Bytes>& memory, const Operation& operation);
    // Expects that it is left to others, and that nothing of the library was called for it.
    void expect_refused(const std::vector<Bytes>& memory, const Operation& operation, const char* message);

    // The next call of this function throws this instead of working.
    std::string throwing_function;
    std::function<void()> throw_it;

private:
    void handle(const fake::Call& call);

    FakeDevice device_;
    FakeEngine engine_;
    std::vector<Recorded> calls_;
    std::vector<void*> uploaded_;
    void* cublas_stream_ = nullptr;
    Context context_{nullptr, nbit_context_destroy};
};

// Every parameter of the call has the value that is given for its name, and none is left out.
void expect_arguments(const fake::Call& call, const std::map<std::string, uint64_t>& expected);
template <class T> uint64_t bits(T value) { return fake::bits(value); }

} // namespace nbit::test
