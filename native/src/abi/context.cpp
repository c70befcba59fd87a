#include "abi/context.h"
#include "abi/guard.h"
#include "base/cpu.h"
#include "base/platform.h"
#include "cuda/backend.h"

using namespace nbit;

namespace
{

constexpr int32_t most_threads = 1024;

int32_t checked_threads(int32_t threads)
{
    if (threads < 0 || threads > most_threads)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                    "threads is %d; allowed are 1 to %d, or 0 for as many as the machine has processors (here %d)",
                    threads, most_threads, platform::processor_count());
    return threads ? threads : platform::processor_count();
}

// Null for the CPU.
std::unique_ptr<const Backend> backend_of(int32_t device_kind, int32_t device_index)
{
    switch (device_kind) {
    case NBIT_DEVICE_KIND_CPU:
        if (device_index != 0)
            throw Error(NBIT_STATUS_INVALID_ARGUMENT, "device_index is %d; the CPU has index 0 only", device_index);
        return nullptr;
    case NBIT_DEVICE_KIND_CUDA:
        return std::make_unique<const cuda::CudaBackend>(cuda::libraries(), device_index);
    default:
        throw Error(NBIT_STATUS_INVALID_ARGUMENT, "device_kind is %d; allowed are 0 (CPU) and 1 (CUDA)", device_kind);
    }
}

} // namespace

int32_t nbit_context_create(int32_t device_kind, int32_t device_index, int32_t threads, nbit_context** context)
{
    return guarded([&] {
        nbit_context*& out = required(context, "context");
        const int32_t most = checked_threads(threads);
        instruction_set(); // an NBIT_ISA that cannot be honoured is reported here, not by the first kernel
        out = new nbit_context(backend_of(device_kind, device_index), most);
    });
}

int32_t nbit_context_destroy(nbit_context* context)
{
    return guarded([&] { delete context; });
}

int32_t nbit_context_set_stream(nbit_context* context, void* stream)
{
    return guarded([&] {
        nbit_context& c = required(context, "context");
        if (!c.backend && stream)
            throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                        "stream is not null, but a CPU context has no streams; give null");
        c.stream = stream;
    });
}

int32_t nbit_context_set_threads(nbit_context* context, int32_t threads)
{
    return guarded([&] { required(context, "context").threads = checked_threads(threads); });
}

int32_t nbit_context_get_threads(nbit_context* context, int32_t* threads)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        required(threads, "threads") = c.threads;
    });
}
