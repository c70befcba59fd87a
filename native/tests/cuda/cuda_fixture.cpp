#include "cuda_fixture.h"

#include <cstring>

namespace nbit::test
{
namespace
{

// Once a process: a library that is open stays open.
void choose_fakes()
{
    static const bool chosen = [] {
        EXPECT_EQ(nbit_cuda_set_library(NBIT_CUDA_LIBRARY_RUNTIME, NBIT_FAKE_CUDART), NBIT_STATUS_OK) << last_error();
        EXPECT_EQ(nbit_cuda_set_library(NBIT_CUDA_LIBRARY_BITSANDBYTES, NBIT_FAKE_BITSANDBYTES), NBIT_STATUS_OK);
        EXPECT_EQ(nbit_cuda_set_library(NBIT_CUDA_LIBRARY_TRANSFORMER_ENGINE, NBIT_FAKE_TRANSFORMER_ENGINE),
                  NBIT_STATUS_OK);
        return true;
    }();
    (void)chosen;
}

} // namespace

CudaTest::CudaTest()
{
    choose_fakes();
    fake::handler() = [this](const fake::Call& call) { handle(call); };
    nbit_context* created = nullptr;
    EXPECT_EQ(nbit_context_create(NBIT_DEVICE_KIND_CUDA, device_index, 1, &created), NBIT_STATUS_OK) << last_error();
    context_.reset(created);
    EXPECT_EQ(nbit_context_set_stream(created, stream), NBIT_STATUS_OK) << last_error();
}

CudaTest::~CudaTest()
{
    context_.reset();
    device_.synchronize_all();
    for (void* memory : uploaded_)
        device_.free(memory);
    EXPECT_EQ(device_.live_allocations(), 0u);
    EXPECT_EQ(device_.live_events(), 0u);
    EXPECT_EQ(engine_.live_objects(), 0u) << "a tensor or a config was not destroyed";
    EXPECT_EQ(device_.current(), 0) << "a call has left another device current";
    fake::handler() = nullptr;
}

void CudaTest::handle(const fake::Call& call)
{
    calls_.push_back({call, device_.current()});
    if (call.function == throwing_function) {
        throwing_function.clear();
        throw_it();
    }
    if (std::strcmp(call.library, "cuda_runtime") == 0) return device_.answer(call);
    if (std::strcmp(call.library, "transformer_engine") == 0) {
        FakeDevice::Work work = engine_.answer(call);
        if (!work) return; // done by the host
        EXPECT_EQ(device_.current(), device_index) << call.function;
        return device_.enqueue(stream_of(call), std::move(work));
    }
    EXPECT_EQ(device_.current(), device_index) << call.function;
    if (call.function == "get_context") return call.give<void*>(this);
    if (call.result) call.give<int32_t>(0);
    if (call.function == "cublasCreate_v2") *call.pointer<void*>("handle") = this;
    if (call.function == "cublasSetStream_v2") cublas_stream_ = call.pointer("stream");
    if (call.function == "cublasSetPointerMode_v2") {
        EXPECT_EQ(call.integer("mode"), 1); // pointers to device memory
    }
    if (call.function.rfind("cublasCreate", 0) == 0 || call.function.rfind("cublasSet", 0) == 0) return;
    const bool is_cublas = std::strcmp(call.library, "cublas") == 0;
    device_.enqueue(is_cublas ? cublas_stream_ : stream_of(call), [call] { compute(call); });
}

std::vector<fake::Call> CudaTest::kernel_calls() const
{
    std::vector<fake::Call> kernels;
    for (const Recorded& recorded : calls_)
        if (std::strcmp(recorded.call.library, "cuda_runtime") != 0) kernels.push_back(recorded.call);
    return kernels;
}

const fake::Call& CudaTest::call_of(const std::string& function) const
{
    const fake::Call* found = nullptr;
    for (const Recorded& recorded : calls_)
        if (recorded.call.function == function) {
            EXPECT_EQ(found, nullptr) << function << " was called twice";
            found = &recorded.call;
        }
    if (!found) throw std::logic_error(function + " was not called");
    return *found;
}

void* CudaTest::upload(const Bytes& bytes)
{
    void* memory = device_.allocate(bytes.size(), device_index);
    std::memcpy(memory, bytes.data(), bytes.size());
    uploaded_.push_back(memory);
    return memory;
}

Bytes CudaTest::download(const void* memory, size_t bytes)
{
    device_.synchronize(stream);
    const auto* begin = static_cast<const unsigned char*>(memory);
    return Bytes(begin, begin + bytes);
}

void CudaTest::expect_same_as_on_cpu(const std::vector<Bytes>& memory, const Operation& operation)
{
    std::vector<Bytes> here = memory;
    Addresses on_cpu, on_cuda;
    for (Bytes& bytes : here) {
        on_cpu.push_back(bytes.empty() ? nullptr : bytes.data());
        on_cuda.push_back(bytes.empty() ? nullptr : upload(bytes));
    }
    const Context cpu = cpu_context(1);
    ASSERT_EQ(operation(cpu.get(), on_cpu), NBIT_STATUS_OK) << last_error();
    ASSERT_EQ(operation(context(), on_cuda), NBIT_STATUS_OK) << last_error();
    for (size_t i = 0; i < here.size(); ++i)
        EXPECT_TRUE(same_bytes(here[i], download(on_cuda[i], here[i].size()))) << "argument " << i;
}

void CudaTest::expect_refused(const std::vector<Bytes>& memory, const Operation& operation, const char* message)
{
    Addresses on_cuda;
    for (const Bytes& bytes : memory)
        on_cuda.push_back(bytes.empty() ? nullptr : upload(bytes));
    EXPECT_EQ(operation(context(), on_cuda), NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND) << last_error();
    EXPECT_NE(last_error().find(message), std::string::npos) << last_error();
    EXPECT_TRUE(kernel_calls().empty());
    for (size_t i = 0; i < memory.size(); ++i)
        EXPECT_TRUE(same_bytes(memory[i], download(on_cuda[i], memory[i].size()))) << "argument " << i;
}

void expect_arguments(const fake::Call& call, const std::map<std::string, uint64_t>& expected)
{
    for (const fake::Argument& argument : call.arguments) {
        const auto found = expected.find(argument.name);
        if (found == expected.end())
            ADD_FAILURE() << call.function << ": no value is given for " << argument.name;
        else
            EXPECT_EQ(argument.bits, found->second) << call.function << ": " << argument.name;
    }
    EXPECT_EQ(call.arguments.size(), expected.size()) << call.function;
}

} // namespace nbit::test
