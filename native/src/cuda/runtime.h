// The CUDA runtime: devices, memory, streams and events.
#pragma once
#include "cuda/library.h"
#include "cuda/runtime_functions.h"

namespace nbit::cuda
{

// What the architecture of a device is called by, such as 9.0.
using ComputeCapability = Version;

// Of one device.
struct DeviceProperties {
    ComputeCapability capability;
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
    ComputeCapability capability(int32_t device) const;
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
    // Within devices' memory: rows of so many bytes, which begin `pitch` bytes after each other.
    void copy_rows(void* target, int64_t target_pitch, const void* source, int64_t source_pitch, int64_t bytes,
                   int64_t rows, Stream stream) const;
    void fill(void* memory, uint8_t value, int64_t bytes, Stream stream) const;
    void synchronize(Stream stream) const;
    Event create_event() const;
    void destroy_event(Event event) const noexcept;
    void record(Event event, Stream stream) const;
    void wait(Stream stream, Event event) const;

private:
    void check(int32_t error, const char* what) const;

    RuntimeFunctions functions_;
    Library library_;
    Version version_{};
    String summary_;
};

// A library of CUDA beside the runtime, in a Python environment or where the system's loader finds it, whose name may
// go on after the one given ("libnvrtc.so.12"). Its symbols serve libraries that are opened later. Empty where there is
// none; the log says why.
Library open_companion(const Runtime& runtime, const String& name, String& log);

} // namespace nbit::cuda
