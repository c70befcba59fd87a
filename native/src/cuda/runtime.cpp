#include "cuda/runtime.h"
#include "cuda/search.h"

namespace nbit::cuda
{
namespace
{

constexpr Wanted wanted_runtime{"CUDA runtime",
                                "NBIT_CUDA_RUNTIME_LIBRARY",
                                "libcudart.so.",
                                "",
                                {"nvidia/cu*/lib", "nvidia/cuda_runtime/lib"},
                                {"libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0"}};
constexpr const char* companion_folders[] = {"nvidia/cu*/lib", "nvidia/*/lib"};
constexpr Version oldest{11, 2}; // has cudaMallocAsync

constexpr int32_t error_out_of_memory = 2;                                               // cudaErrorMemoryAllocation
constexpr int32_t attribute_processors = 16, attribute_major = 75, attribute_minor = 76; // cudaDeviceAttr
constexpr int32_t copy_kind_to_device = 1, copy_kind_to_host = 2, copy_kind_within_device = 3; // cudaMemcpyKind
constexpr uint32_t event_without_timing = 2;                                                   // cudaEventDisableTiming

} // namespace

Runtime::Runtime(const String& path_in_code)
{
    String log;
    const String chosen = chosen_path(wanted_runtime, path_in_code);
    const Vector<String> paths = chosen.empty() ? candidates(wanted_runtime) : Vector<String>{chosen};
    for (size_t i = 0; i < paths.size() && !library_; ++i)
        library_ = Library::open(paths[i], platform::Symbols::for_everyone, log);
    if (!library_)
        throw Error(NBIT_STATUS_NOT_SUPPORTED,
                    "no CUDA runtime was found, so there is no CUDA device. Install CUDA 12 or 13 (or the Python "
                    "package nvidia-cuda-runtime) or set %s to libcudart's path. Searched: %s%s%s",
                    wanted_runtime.variable, chosen.empty() ? places(wanted_runtime).c_str() : chosen.c_str(),
                    log.empty() ? "" : ". Tried:", log.c_str());
    SymbolSearch search(wanted_runtime.title, library_);
    functions_.for_each_function(search);
    if (search.found() < search.wanted())
        throw Error(NBIT_STATUS_NOT_SUPPORTED, "%s is no CUDA runtime of version 11.2 or later: it has %s",
                    library_.path().c_str(), search.summary().c_str());
    int32_t number = 0;
    check(functions_.get_version(&number), "cudaRuntimeGetVersion");
    version_ = {number / 1000, number % 1000 / 10};
    if (version_.is_before(oldest))
        throw Error(NBIT_STATUS_NOT_SUPPORTED, "%s is CUDA %d.%d; NBit needs 11.2 or later", library_.path().c_str(),
                    version_.major, version_.minor);
    summary_ = text("%s, version %d.%d, %s", library_.path().c_str(), version_.major, version_.minor,
                    search.summary().c_str());
}

void Runtime::check(int32_t error, const char* what) const
{
    if (error == 0) return;
    const char* reason = functions_.error_string(error);
    throw Error(error == error_out_of_memory ? NBIT_STATUS_OUT_OF_MEMORY : NBIT_STATUS_INTERNAL_ERROR,
                "%s failed with error %d of CUDA: %s", what, error, reason ? reason : "no reason given");
}

int32_t Runtime::device_count() const
{
    int32_t count = 0;
    check(functions_.device_count(&count), "cudaGetDeviceCount");
    return count;
}

ComputeCapability Runtime::capability(int32_t device) const
{
    ComputeCapability found{};
    check(functions_.attribute(&found.major, attribute_major, device), "cudaDeviceGetAttribute");
    check(functions_.attribute(&found.minor, attribute_minor, device), "cudaDeviceGetAttribute");
    return found;
}

DeviceProperties Runtime::properties(int32_t device) const
{
    DeviceProperties found{};
    found.capability = capability(device);
    check(functions_.attribute(&found.processors, attribute_processors, device), "cudaDeviceGetAttribute");
    const int32_t before = current_device();
    set_device(device);
    const int32_t error = functions_.memory_info(&found.free_bytes, &found.total_bytes);
    set_device(before);
    check(error, "cudaMemGetInfo");
    return found;
}

int32_t Runtime::current_device() const
{
    int32_t device = 0;
    check(functions_.get_device(&device), "cudaGetDevice");
    return device;
}

void Runtime::set_device(int32_t device) const { check(functions_.set_device(device), "cudaSetDevice"); }

PointerAttributes Runtime::attributes(const void* address) const
{
    PointerAttributes found{};
    check(functions_.pointer_attributes(&found, address), "cudaPointerGetAttributes");
    return found;
}

void* Runtime::allocate(int64_t bytes) const
{
    void* memory = nullptr;
    check(functions_.malloc(&memory, static_cast<size_t>(bytes)), "cudaMalloc");
    return memory;
}

void Runtime::free(void* memory) const noexcept { functions_.free.quietly(memory); }

void* Runtime::allocate(int64_t bytes, Stream stream) const
{
    void* memory = nullptr;
    check(functions_.malloc_async(&memory, static_cast<size_t>(bytes), stream), "cudaMallocAsync");
    return memory;
}

void Runtime::free(void* memory, Stream stream) const noexcept { functions_.free_async.quietly(memory, stream); }

void Runtime::copy_to_host(void* host, const void* device, int64_t bytes, Stream stream) const
{
    check(functions_.copy(host, device, static_cast<size_t>(bytes), copy_kind_to_host, stream), "cudaMemcpyAsync");
    synchronize(stream);
}

void Runtime::copy_to_device(void* device, const void* host, int64_t bytes, Stream stream) const
{
    check(functions_.copy(device, host, static_cast<size_t>(bytes), copy_kind_to_device, stream), "cudaMemcpyAsync");
    synchronize(stream);
}

void Runtime::copy_rows(void* target, int64_t target_pitch, const void* source, int64_t source_pitch, int64_t bytes,
                        int64_t rows, Stream stream) const
{
    if (bytes == 0 || rows == 0) return;
    check(functions_.copy_rows(target, static_cast<size_t>(target_pitch), source, static_cast<size_t>(source_pitch),
                               static_cast<size_t>(bytes), static_cast<size_t>(rows), copy_kind_within_device, stream),
          "cudaMemcpy2DAsync");
}

void Runtime::fill(void* memory, uint8_t value, int64_t bytes, Stream stream) const
{
    check(functions_.fill(memory, value, static_cast<size_t>(bytes), stream), "cudaMemsetAsync");
}

void Runtime::synchronize(Stream stream) const { check(functions_.synchronize(stream), "cudaStreamSynchronize"); }

Event Runtime::create_event() const
{
    Event event = nullptr;
    check(functions_.create_event(&event, event_without_timing), "cudaEventCreateWithFlags");
    return event;
}

void Runtime::destroy_event(Event event) const noexcept { functions_.destroy_event.quietly(event); }

void Runtime::record(Event event, Stream stream) const { check(functions_.record(event, stream), "cudaEventRecord"); }

void Runtime::wait(Stream stream, Event event) const
{
    check(functions_.wait(stream, event, 0), "cudaStreamWaitEvent");
}

Library open_companion(const Runtime& runtime, const String& name, String& log)
{
    Vector<String> folders{runtime.library().directory()};
    for (const String& packages : site_packages())
        for (const char* folder : companion_folders)
            for (const String& found : expanded(packages, folder))
                folders.push_back(found);
    for (const String& folder : folders)
        for (const String& entry : entries(folder, name.c_str(), "")) {
            const String path = text("%s/%s", folder.c_str(), entry.c_str());
            if (Library found = Library::open(path, platform::Symbols::for_everyone, log)) return found;
        }
    return Library::open(name, platform::Symbols::for_everyone, log);
}

} // namespace nbit::cuda
