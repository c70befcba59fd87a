#include "torch/guard.h"
#include "torch/library.h"

using namespace nbit::torch;

int32_t nbit_torch_cuda_stream_get(int32_t device_index, void** stream)
{
    return guarded([&] {
        const Library& torch = library();
        void*& out = required(stream, "stream");
        if (!torch.get_current_cuda_stream)
            throw Error(NBIT_STATUS_NOT_SUPPORTED,
                        "this libtorch is a build for the CPU, without CUDA streams; reference "
                        "one with CUDA, such as TorchSharp-cuda-linux");
        void* current = nullptr;
        if (torch.get_current_cuda_stream(device_index, &current) != 0)
            throw Error(NBIT_STATUS_INVALID_ARGUMENT, "device_index is %d; libtorch has no stream for such a device",
                        device_index);
        out = current;
    });
}
