#include "fake_device.h"

#include <cstdlib>
#include <cstring>

namespace nbit::test
{
namespace
{

constexpr int32_t invalid_value = 1;

// cudaPointerAttributes
struct PointerAttributes {
    int32_t kind, device;
    const void *on_device, *on_host;
};
constexpr int32_t unregistered = 0, device_memory = 2;

} // namespace

void FakeDevice::run(void* stream, size_t until)
{
    while (done_[stream] < until) {
        const size_t next = done_[stream]++; // counted first: the work may wait for this stream's past
        const Work work = std::move(stream_of(stream)[next]);
        work();
    }
}

void FakeDevice::synchronize_all()
{
    std::vector<void*> all;
    for (const auto& [stream, queue] : streams_)
        all.push_back(stream);
    for (void* stream : all)
        synchronize(stream);
}

void* FakeDevice::allocate(size_t bytes, int32_t device)
{
    void* memory = std::aligned_alloc(256, (bytes + 256) / 256 * 256);
    std::memset(memory, 0xdd, bytes);
    memory_[memory] = {bytes, device};
    return memory;
}

void FakeDevice::free(void* memory)
{
    const auto found = memory_.find(memory);
    if (found == memory_.end()) throw std::logic_error("memory is freed that is not the device's");
    std::memset(memory, 0xdd, found->second.bytes);
    memory_.erase(found);
    std::free(memory);
}

const void* FakeDevice::find(const void* address, int32_t* device) const
{
    auto after = memory_.upper_bound(address);
    if (after == memory_.begin()) return nullptr;
    const auto& [begin, memory] = *--after;
    if (static_cast<const char*>(address) >= static_cast<const char*>(begin) + std::max<size_t>(memory.bytes, 1))
        return nullptr;
    *device = memory.device;
    return begin;
}

void FakeDevice::copy(const fake::Call& call)
{
    void* target = call.pointer("target");
    const void* source = call.pointer("source");
    constexpr int32_t to_device = 1, to_host = 2;
    const int32_t kind = call.integer("kind");
    int32_t device = 0;
    const bool source_is_here = find(source, &device), target_is_here = find(target, &device);
    if ((kind == to_device && (source_is_here || !target_is_here)) ||
        (kind == to_host && (!source_is_here || target_is_here)))
        return call.give(invalid_value);
    const size_t bytes = call.size("bytes");
    enqueue(call.pointer("stream"), [=] { std::memcpy(target, source, bytes); });
}

void FakeDevice::copy_rows(const fake::Call& call)
{
    auto* target = call.pointer<char>("target");
    const auto* source = call.pointer<char>("source");
    constexpr int32_t within_device = 3;
    const size_t target_pitch = call.size("target_pitch"), source_pitch = call.size("source_pitch");
    const size_t width = call.size("width"), height = call.size("height");
    int32_t device = 0;
    if (call.integer("kind") != within_device || !find(source, &device) || !find(target, &device) ||
        width > target_pitch || width > source_pitch)
        return call.give(invalid_value);
    enqueue(call.pointer("stream"), [=] {
        for (size_t row = 0; row < height; ++row)
            std::memcpy(target + row * target_pitch, source + row * source_pitch, width);
    });
}

void FakeDevice::give_attributes(const fake::Call& call) const
{
    const void* address = call.pointer("pointer");
    PointerAttributes found{unregistered, 0, nullptr, nullptr};
    int32_t device = 0;
    if (find(address, &device)) found = {device_memory, device, address, nullptr};
    std::memcpy(call.pointer("attributes"), &found, sizeof(found));
}

void FakeDevice::answer(const fake::Call& call)
{
    const std::string& name = call.function;
    if (call.result && name != "cudaGetErrorString") call.give<int32_t>(0);
    if (name == failing_function) {
        failing_function.clear();
        return call.give(failing_error);
    }
    if (name == "cudaRuntimeGetVersion") *call.pointer<int32_t>("version") = version;
    if (name == "cudaGetErrorString") call.give<const char*>("the reason that CUDA gives");
    if (name == "cudaGetDeviceCount") *call.pointer<int32_t>("count") = device_count;
    if (name == "cudaGetDevice") *call.pointer<int32_t>("device") = current_;
    if (name == "cudaSetDevice") current_ = call.integer("device");
    if (name == "cudaDeviceGetAttribute")
        *call.pointer<int32_t>("value") =
            std::map<int32_t, int32_t>{{16, 132}, {75, major}, {76, minor}}.at(call.integer("attribute"));
    if (name == "cudaMemGetInfo") {
        *call.pointer<size_t>("free") = size_t{70} << 30;
        *call.pointer<size_t>("total") = size_t{80} << 30;
    }
    if (name == "cudaPointerGetAttributes") give_attributes(call);
    if (name == "cudaMalloc" || name == "cudaMallocAsync")
        *call.pointer<void*>("pointer") = allocate(call.size("bytes"), current_);
    if (name == "cudaFree") {
        synchronize_all(); // as CUDA does for memory of cudaMalloc
        free(call.pointer("pointer"));
    }
    if (name == "cudaFreeAsync")
        enqueue(call.pointer("stream"), [this, memory = call.pointer("pointer")] { free(memory); });
    if (name == "cudaMemcpyAsync") copy(call);
    if (name == "cudaMemcpy2DAsync") copy_rows(call);
    if (name == "cudaMemsetAsync")
        enqueue(call.pointer("stream"), [memory = call.pointer("memory"), value = call.integer("value"),
                                         bytes = call.size("bytes")] { std::memset(memory, value, bytes); });
    if (name == "cudaStreamSynchronize") synchronize(call.pointer("stream"));
    if (name == "cudaEventCreateWithFlags") {
        void* event = reinterpret_cast<void*>(next_event_++);
        events_[event] = std::make_shared<Event>();
        *call.pointer<void*>("event") = event;
    }
    if (name == "cudaEventDestroy") events_.erase(call.pointer("event"));
    if (name == "cudaEventRecord") {
        void* stream = call.pointer("stream");
        *events_.at(call.pointer("event")) = {stream, stream_of(stream).size()};
    }
    if (name == "cudaStreamWaitEvent")
        enqueue(call.pointer("stream"),
                [this, reached = *events_.at(call.pointer("event"))] { run(reached.stream, reached.position); });
}

} // namespace nbit::test
