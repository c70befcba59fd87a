// Calls of the exports that compute nothing.
#include "hardening/export_calls.h"

#include <memory>

namespace nbit::test
{
namespace
{

constexpr char path_of_nothing[] = "/nowhere/at/all/libnothing.so";

template <class T> T* place_for(Arguments& a, int32_t type, int64_t count = 1)
{
    return a.written<T>({type, count, Contents::any, true});
}

Call version_get(Arguments& a)
{
    auto* const major = place_for<int32_t>(a, NBIT_DATA_TYPE_INT32);
    auto* const minor = place_for<int32_t>(a, NBIT_DATA_TYPE_INT32);
    auto* const patch = place_for<int32_t>(a, NBIT_DATA_TYPE_INT32);
    return [=](nbit_context*) { return nbit_version_get(major, minor, patch); };
}

Call error_message(Arguments& a)
{
    auto* const message = place_for<const char*>(a, NBIT_DATA_TYPE_INT64);
    return [=](nbit_context*) { return nbit_error_message(message); };
}

Call error_set(Arguments& a)
{
    const std::string text(static_cast<size_t>(a.choices().below(3000)), 'x');
    const bool is_null = a.has_fault(8);
    return [=](nbit_context*) { return nbit_error_set(is_null ? nullptr : text.c_str()); };
}

// On the CPU, or where no CUDA device is.
Call context_create(Arguments& a)
{
    const int32_t kind = a.one_of({NBIT_DEVICE_KIND_CPU}), index = a.one_of({0}), threads = a.one_of({0, 1, 2, 1024});
    auto* const place = place_for<nbit_context*>(a, NBIT_DATA_TYPE_INT64);
    return [=](nbit_context*) {
        nbit_context* created = nullptr;
        const int32_t status = nbit_context_create(kind, index, threads, place ? &created : nullptr);
        nbit_context_destroy(created);
        return status;
    };
}

Call context_destroy(Arguments& a)
{
    const bool is_null = a.choices().below(2);
    return [=](nbit_context*) {
        nbit_context* created = nullptr;
        const int32_t status = is_null ? 0 : nbit_context_create(NBIT_DEVICE_KIND_CPU, 0, 1, &created);
        return status ? status : nbit_context_destroy(created);
    };
}

Call context_set_stream(Arguments& a)
{
    void* const stream = a.has_fault(4) ? &a : nullptr;
    return [=](nbit_context* context) { return nbit_context_set_stream(context, stream); };
}

// On a context of its own, since others use the given one.
Call context_set_threads(Arguments& a)
{
    const int32_t threads = a.one_of({0, 1, 3, 1024});
    return [context = std::shared_ptr<nbit_context>(cpu_context(1).release(), nbit_context_destroy),
            threads](nbit_context*) { return nbit_context_set_threads(context.get(), threads); };
}

Call context_get_threads(Arguments& a)
{
    auto* const threads = place_for<int32_t>(a, NBIT_DATA_TYPE_INT32);
    return [=](nbit_context* context) { return nbit_context_get_threads(context, threads); };
}

Call cpu_describe(Arguments& a)
{
    auto* const features = place_for<const char*>(a, NBIT_DATA_TYPE_INT64);
    return [=](nbit_context*) { return nbit_cpu_describe(features); };
}

Call cuda_set_library(Arguments& a)
{
    const int32_t library =
        a.one_of({NBIT_CUDA_LIBRARY_RUNTIME, NBIT_CUDA_LIBRARY_BITSANDBYTES, NBIT_CUDA_LIBRARY_TRANSFORMER_ENGINE});
    const char* const path =
        a.has_fault(8) ? a.choices().one_of<const char*>({nullptr, "", "relative/libx.so"}) : path_of_nothing;
    return [=](nbit_context*) { return nbit_cuda_set_library(library, path); };
}

Call cuda_describe(Arguments& a)
{
    const int32_t library =
        a.one_of({NBIT_CUDA_LIBRARY_RUNTIME, NBIT_CUDA_LIBRARY_BITSANDBYTES, NBIT_CUDA_LIBRARY_TRANSFORMER_ENGINE});
    const int64_t capacity = std::max<int64_t>(a.size(400), a.has_fault(8) ? INT64_MIN : 1);
    auto* const text = a.written<char>({NBIT_DATA_TYPE_UINT8, capacity});
    return [=](nbit_context*) { return nbit_cuda_describe(library, text, capacity); };
}

Call instruction_set_detect(Arguments& a)
{
    auto* const set = place_for<int32_t>(a, NBIT_DATA_TYPE_INT32);
    return [=](nbit_context*) { return nbit_instruction_set_detect(set); };
}

Call instruction_set_get(Arguments& a)
{
    auto* const set = place_for<int32_t>(a, NBIT_DATA_TYPE_INT32);
    return [=](nbit_context*) { return nbit_instruction_set_get(set); };
}

Call instruction_set_force(Arguments& a)
{
    const int32_t set = a.one_of({NBIT_INSTRUCTION_SET_SCALAR});
    return [=](nbit_context*) {
        int32_t before = 0;
        nbit_instruction_set_get(&before);
        const int32_t status = nbit_instruction_set_force(set);
        return status ? status : nbit_instruction_set_force(before);
    };
}

int32_t loop_here(int64_t begin, int64_t end, int64_t, void (*body)(int64_t, int64_t, void*), void* state)
{
    body(begin, end, state);
    return 0;
}

Call parallel_set_backend(Arguments& a)
{
    const bool is_null = a.choices().below(2);
    return [=](nbit_context*) {
        const int32_t status = nbit_parallel_set_backend(is_null ? nullptr : loop_here);
        return status ? status : nbit_parallel_set_backend(nullptr);
    };
}

Call memory_count(Arguments& a)
{
    auto* const bytes = place_for<int64_t>(a, NBIT_DATA_TYPE_INT64);
    auto* const blocks = place_for<int64_t>(a, NBIT_DATA_TYPE_INT64);
    return [=](nbit_context*) { return nbit_memory_count(bytes, blocks); };
}

Call memory_fail(Arguments& a)
{
    const int64_t allocation = a.has_fault(4) ? a.choices().one_of<int64_t>({-1, INT64_MIN}) : int64_t{1} << 40;
    return [=](nbit_context*) {
        const int32_t status = nbit_memory_fail(allocation);
        return status ? status : nbit_memory_fail(0);
    };
}

} // namespace

std::vector<ExportCall> library_calls()
{
    constexpr auto same = Same::on_every_instruction_set;
    return {{"nbit_version_get", version_get},
            {"nbit_error_message", error_message, Same::nothing},
            {"nbit_error_set", error_set},
            {"nbit_context_create", context_create},
            {"nbit_context_destroy", context_destroy},
            {"nbit_context_set_stream", context_set_stream},
            {"nbit_context_set_threads", context_set_threads},
            {"nbit_context_get_threads", context_get_threads, Same::nothing},
            {"nbit_cpu_describe", cpu_describe},
            {"nbit_cuda_set_library", cuda_set_library, same, Reach::process},
            {"nbit_cuda_describe", cuda_describe},
            {"nbit_instruction_set_detect", instruction_set_detect},
            {"nbit_instruction_set_get", instruction_set_get, Same::nothing},
            {"nbit_instruction_set_force", instruction_set_force, same, Reach::process},
            {"nbit_parallel_set_backend", parallel_set_backend, same, Reach::process},
            {"nbit_memory_count", memory_count, Same::nothing},
            {"nbit_memory_fail", memory_fail, same, Reach::process}};
}

} // namespace nbit::test
