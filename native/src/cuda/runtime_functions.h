// The functions of the CUDA runtime that NBit calls.
#pragma once
#include "cuda/foreign_function.h"

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

struct RuntimeFunctions {
    ForeignFunction<int32_t(int32_t*)> get_version;
    ForeignFunction<const char*(int32_t)> error_string;
    ForeignFunction<int32_t(int32_t*)> device_count, get_device;
    ForeignFunction<int32_t(int32_t)> set_device;
    ForeignFunction<int32_t(int32_t*, int32_t, int32_t)> attribute;
    ForeignFunction<int32_t(size_t*, size_t*)> memory_info;
    ForeignFunction<int32_t(PointerAttributes*, const void*)> pointer_attributes;
    ForeignFunction<int32_t(void**, size_t)> malloc;
    ForeignFunction<int32_t(void*)> free;
    ForeignFunction<int32_t(void**, size_t, Stream)> malloc_async;
    ForeignFunction<int32_t(void*, Stream)> free_async;
    ForeignFunction<int32_t(void*, const void*, size_t, int32_t, Stream)> copy;
    ForeignFunction<int32_t(void*, size_t, const void*, size_t, size_t, size_t, int32_t, Stream)> copy_rows;
    ForeignFunction<int32_t(void*, int32_t, size_t, Stream)> fill;
    ForeignFunction<int32_t(Stream)> synchronize;
    ForeignFunction<int32_t(Event*, uint32_t)> create_event;
    ForeignFunction<int32_t(Event)> destroy_event;
    ForeignFunction<int32_t(Event, Stream)> record;
    ForeignFunction<int32_t(Stream, Event, uint32_t)> wait;

    // visit(function, its symbol, since which version), for all functions.
    template <class Visit> void for_each_function(Visit&& visit)
    {
        visit(get_version, "cudaRuntimeGetVersion", "2.2");
        visit(error_string, "cudaGetErrorString", "2.0");
        visit(device_count, "cudaGetDeviceCount", "2.0");
        visit(get_device, "cudaGetDevice", "2.0");
        visit(set_device, "cudaSetDevice", "2.0");
        visit(attribute, "cudaDeviceGetAttribute", "5.0");
        visit(memory_info, "cudaMemGetInfo", "3.0");
        visit(pointer_attributes, "cudaPointerGetAttributes", "4.0");
        visit(malloc, "cudaMalloc", "2.0");
        visit(free, "cudaFree", "2.0");
        visit(malloc_async, "cudaMallocAsync", "11.2");
        visit(free_async, "cudaFreeAsync", "11.2");
        visit(copy, "cudaMemcpyAsync", "2.0");
        visit(copy_rows, "cudaMemcpy2DAsync", "2.0");
        visit(fill, "cudaMemsetAsync", "3.2");
        visit(synchronize, "cudaStreamSynchronize", "2.0");
        visit(create_event, "cudaEventCreateWithFlags", "3.1");
        visit(destroy_event, "cudaEventDestroy", "2.0");
        visit(record, "cudaEventRecord", "2.0");
        visit(wait, "cudaStreamWaitEvent", "3.2");
    }
};

} // namespace nbit::cuda
