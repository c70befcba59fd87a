#include "cuda/libraries.h"
#include "cuda/search.h"

namespace nbit::cuda
{
namespace
{

template <class Found> void set(const char* title, String& path_in_code, const Found& found, const char* path)
{
    if (found)
        throw Error(NBIT_STATUS_INVALID_STATE, "%s is open already (%s); set its path before the first use of CUDA",
                    title, found->summary().c_str());
    path_in_code = path;
}

} // namespace

const Runtime& Libraries::open_runtime()
{
    if (!runtime_.found) runtime_.found = std::make_unique<const Runtime>(runtime_.path_in_code);
    return *runtime_.found;
}

const Runtime& Libraries::runtime()
{
    const std::lock_guard lock(lock_);
    return open_runtime();
}

const Bitsandbytes& Libraries::bitsandbytes()
{
    const std::lock_guard lock(lock_);
    auto& [path, found] = bitsandbytes_;
    if (!found) found = std::make_unique<const Bitsandbytes>(open_runtime(), path);
    return *found;
}

const Cublas& Libraries::cublas()
{
    const std::lock_guard lock(lock_);
    if (!cublas_) cublas_ = std::make_unique<const Cublas>(open_runtime());
    return *cublas_;
}

const TransformerEngine& Libraries::transformer_engine()
{
    const std::lock_guard lock(lock_);
    auto& [path, found] = transformer_engine_;
    if (!found) found = std::make_unique<const TransformerEngine>(open_runtime(), path);
    return *found;
}

void Libraries::set_path(int32_t library, const char* path)
{
    if (!is_absolute(path))
        throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                    "path is '%s'; give an absolute path, as libraries are never searched in the current directory",
                    path);
    const std::lock_guard lock(lock_);
    switch (library) {
    case NBIT_CUDA_LIBRARY_RUNTIME:
        return set("the CUDA runtime", runtime_.path_in_code, runtime_.found, path);
    case NBIT_CUDA_LIBRARY_BITSANDBYTES:
        return set("bitsandbytes", bitsandbytes_.path_in_code, bitsandbytes_.found, path);
    case NBIT_CUDA_LIBRARY_TRANSFORMER_ENGINE:
        return set("Transformer Engine", transformer_engine_.path_in_code, transformer_engine_.found, path);
    default:
        refuse(library);
    }
}

void Libraries::refuse(int32_t library)
{
    throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                "library is %d; allowed are the CUDA runtime (0), bitsandbytes (1) and Transformer Engine (2)",
                library);
}

String Libraries::describe_runtime()
{
    const Runtime& found = runtime();
    const int32_t count = found.device_count();
    String all = text("%s; %d %s", found.summary().c_str(), count, count == 1 ? "device" : "devices");
    for (int32_t device = 0; device < count; ++device) {
        const DeviceProperties p = found.properties(device);
        all += text("; %d: compute capability %d.%d, %d processors, %zu of %zu MiB free", device, p.capability.major,
                    p.capability.minor, p.processors, p.free_bytes >> 20, p.total_bytes >> 20);
    }
    return all;
}

bool Libraries::has_runtime()
{
    try {
        runtime();
        return true;
    } catch (const Error&) {
        return false;
    }
}

String Libraries::describe(int32_t library)
{
    if (library < NBIT_CUDA_LIBRARY_RUNTIME || library > NBIT_CUDA_LIBRARY_TRANSFORMER_ENGINE) refuse(library);
    if (library != NBIT_CUDA_LIBRARY_RUNTIME && !has_runtime()) return "not used: there is no CUDA runtime";
    try {
        switch (library) {
        case NBIT_CUDA_LIBRARY_RUNTIME:
            return describe_runtime();
        case NBIT_CUDA_LIBRARY_BITSANDBYTES:
            return text("%s. Used for 4-bit and 8-bit blocks, 4-bit linear layers, LLM.int8() and optimizers on CUDA",
                        bitsandbytes().summary().c_str());
        default:
            return text("%s. Used for float8, MXFP8 and NVFP4: amax, scales, quantizers and products on CUDA",
                        transformer_engine().summary().c_str());
        }
    } catch (const Error& error) {
        return text("not used: %s", error.what());
    }
}

Libraries& libraries()
{
    // Never destroyed, since contexts may end after it
    static Libraries& of_process = *new Libraries;
    return of_process;
}

} // namespace nbit::cuda
