// One call's device, stream and memory.
#pragma once
#include "cuda/runtime.h"

namespace nbit::cuda
{

// While it lives, the device is the thread's current one.
class Launch
{
public:
    Launch(const Runtime& runtime, int32_t device, Stream stream);
    ~Launch();
    Launch(const Launch&) = delete;
    Launch& operator=(const Launch&) = delete;

    const Runtime& runtime() const noexcept { return runtime_; }
    int32_t device() const noexcept { return device_; }
    Stream stream() const noexcept { return stream_; }

    // Throws where that is not memory of the device: a kernel would end the process or spoil the CUDA context.
    void require_on_device(const char* name, const void* address) const;
    void require_on_device(std::initializer_list<std::pair<const char*, const void*>> arguments) const;

    void to_host(void* host, const void* device, int64_t bytes) const
    {
        runtime_.copy_to_host(host, device, bytes, stream_);
    }
    void to_device(void* device, const void* host, int64_t bytes) const
    {
        runtime_.copy_to_device(device, host, bytes, stream_);
    }

private:
    const Runtime& runtime_;
    int32_t device_;
    Stream stream_;
    int32_t before_;
};

// Memory of the device for the work of one stream.
template <class T> class DeviceScratch
{
public:
    DeviceScratch(const Launch& launch, int64_t count)
        : launch_(launch),
          memory_(static_cast<T*>(launch.runtime().allocate(count * int64_t{sizeof(T)}, launch.stream())))
    {
    }
    ~DeviceScratch() { launch_.runtime().free(memory_, launch_.stream()); }
    DeviceScratch(const DeviceScratch&) = delete;
    DeviceScratch& operator=(const DeviceScratch&) = delete;

    T* data() const noexcept { return memory_; }

private:
    const Launch& launch_;
    T* memory_;
};

// Orders work on the legacy default stream, where functions without a stream put it, after what the call's stream has
// got so far, and before what it gets later. Streams of libtorch do not wait for the default stream by themselves.
class OnDefaultStream
{
public:
    explicit OnDefaultStream(const Launch& launch);
    ~OnDefaultStream(); // where finish was not reached, as after an exception
    OnDefaultStream(const OnDefaultStream&) = delete;
    OnDefaultStream& operator=(const OnDefaultStream&) = delete;

    void finish();

private:
    void order(Stream first, Stream second) const;

    const Launch& launch_;
    bool is_open_;
};

// body(), whose functions take no stream.
template <class Body> void on_default_stream(const Launch& launch, const Body& body)
{
    OnDefaultStream order(launch);
    body();
    order.finish();
}

} // namespace nbit::cuda
