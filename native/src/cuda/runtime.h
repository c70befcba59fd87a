// The CUDA runtime: devices, memory, streams and events.
#pragma once
#include "cuda/library.h"

#include <cstddef>

namespace nbit::cuda
{

using Stream = void*; // cudaStream_t; null is the legacy default stream
using Event = void*;  // cudaEvent_t

// cudaMemoryType
enum class MemoryKind : int32_t { unregistered = 0, host = 1, device = 2, managed = 3 };

// The beginning of cudaPointerAttributes, and room for what versions have added to its end.
struct PointerAttributes {
    MemoryKind kind;
    int32_t device;
    void* device_address;
    void* host_address;
    int64_t more[12];
};
static_assert(sizeof(PointerAttributes) == 120 && offsetof(PointerAttributes, device_address) == 8);

// Of one device.
struct DeviceProperties {
    int32_t major, minor; // compute capability
    int32_t processors;
    size_t free_bytes, total_bytes;
};

class Runtime : public Allocated
{
public:
    // Throws where no runtime is found, or one that is too old.
    explicit Runtime(const String& path_in_code);

    const Library& library() const noexcept { return library_; }
    Version version() const noexcept { return version_; }
    const String& summary() const noexcept { return summary_; }

    int32_t device_count() const;
    DeviceProperties properties(int32_t device) const;

    // Each throws a status for an error of CUDA.
    int32_t current_device() const;
    void set_device(int32_t device) const;
    PointerAttributes attributes(const void* address) const;
    void* allocate(int64_t bytes) const; // of the current device, for all streams
    void free(void* memory) const noexcept;
    void* allocate(int64_t bytes, Stream stream) const;
    void free(void* memory, Stream stream) const noexcept;
    void copy_to_host(void* host, const void* device, int64_t bytes, Stream stream) const;   // both wait until
    void copy_to_device(void* device, const void* host, int64_t bytes, Stream stream) const; // it is done
    void fill(void* memory, uint8_t value, int64_t bytes, Stream stream) const;
    void synchronize(Stream stream) const;
    Event create_event() const;
    void destroy_event(Event event) const noexcept;
    void record(Event event, Stream stream) const;
    void wait(Stream stream, Event event) const;

    // visit(function, its symbol, since which version), for all functions.
    template <class Visit> void for_each_function(Visit&& visit)
    {
        visit(get_version_, "cudaRuntimeGetVersion", "2.2");
        visit(error_string_, "cudaGetErrorString", "2.0");
        visit(device_count_, "cudaGetDeviceCount", "2.0");
        visit(get_device_, "cudaGetDevice", "2.0");
        visit(set_device_, "cudaSetDevice", "2.0");
        visit(attribute_, "cudaDeviceGetAttribute", "5.0");
        visit(memory_info_, "cudaMemGetInfo", "3.0");
        visit(pointer_attributes_, "cudaPointerGetAttributes", "4.0");
        visit(malloc_, "cudaMalloc", "2.0");
        visit(free_, "cudaFree", "2.0");
        visit(malloc_async_, "cudaMallocAsync", "11.2");
        visit(free_async_, "cudaFreeAsync", "11.2");
        visit(copy_, "cudaMemcpyAsync", "2.0");
        visit(fill_, "cudaMemsetAsync", "3.2");
        visit(synchronize_, "cudaStreamSynchronize", "2.0");
        visit(create_event_, "cudaEventCreateWithFlags", "3.1");
        visit(destroy_event_, "cudaEventDestroy", "2.0");
        visit(record_, "cudaEventRecord", "2.0");
        visit(wait_, "cudaStreamWaitEvent", "3.2");
    }

private:
    void check(int32_t error, const char* what) const;

    Library library_;
    Version version_{};
    String summary_;
    ForeignFunction<int32_t(int32_t*)> get_version_;
    ForeignFunction<const char*(int32_t)> error_string_;
    ForeignFunction<int32_t(int32_t*)> device_count_, get_device_;
    ForeignFunction<int32_t(int32_t)> set_device_;
    ForeignFunction<int32_t(int32_t*, int32_t, int32_t)> attribute_;
    ForeignFunction<int32_t(size_t*, size_t*)> memory_info_;
    ForeignFunction<int32_t(PointerAttributes*, const void*)> pointer_attributes_;
    ForeignFunction<int32_t(void**, size_t)> malloc_;
    ForeignFunction<int32_t(void*)> free_;
    ForeignFunction<int32_t(void**, size_t, Stream)> malloc_async_;
    ForeignFunction<int32_t(void*, Stream)> free_async_;
    ForeignFunction<int32_t(void*, const void*, size_t, int32_t, Stream)> copy_;
    ForeignFunction<int32_t(void*, int32_t, size_t, Stream)> fill_;
    ForeignFunction<int32_t(Stream)> synchronize_;
    ForeignFunction<int32_t(Event*, uint32_t)> create_event_;
    ForeignFunction<int32_t(Event)> destroy_event_;
    ForeignFunction<int32_t(Event, Stream)> record_;
    ForeignFunction<int32_t(Stream, Event, uint32_t)> wait_;
};

// A library of CUDA beside the runtime, in a Python environment or where the system's loader finds it, whose name may
// go on after the one given ("libnvrtc.so.12"). Its symbols serve libraries that are opened later. Empty where there is
// none; the log says why.
Library open_companion(const Runtime& runtime, const String& name, String& log);

} // namespace nbit::cuda
