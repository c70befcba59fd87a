#include "cuda/cublas.h"

namespace nbit::cuda
{
namespace
{

constexpr int32_t pointers_on_device = 1; // CUBLAS_POINTER_MODE_DEVICE

void check(int32_t status, const char* what)
{
    if (status != 0) throw Error(NBIT_STATUS_INTERNAL_ERROR, "%s failed with status %d of cuBLAS", what, status);
}

} // namespace

Cublas::Cublas(const Runtime& runtime)
{
    String log;
    const String name = text("libcublas.so.%d", runtime.version().major);
    library_ = open_companion(runtime, name, log);
    if (!library_)
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "%s was not found beside the CUDA runtime (%s), in the active Python environments or by the "
                    "system's loader; install it (pip install nvidia-cublas). Tried:%s",
                    name.c_str(), runtime.library().path().c_str(), log.c_str());
    SymbolSearch search("cuBLAS", library_);
    for_each_function(search);
}

Cublas::Handle Cublas::handle(int32_t device) const
{
    const auto index = static_cast<size_t>(device);
    if (handles_.size() <= index) handles_.resize(index + 1);
    if (!handles_[index]) {
        Handle created = nullptr;
        check(create(&created), "cublasCreate_v2");
        check(set_pointer_mode(created, pointers_on_device), "cublasSetPointerMode_v2");
        handles_[index] = created;
    }
    return handles_[index];
}

void Cublas::add_scaled(const Launch& launch, int32_t count, const float* alpha, const float* x, float* y) const
{
    const std::lock_guard guard(lock_);
    const Handle of_device = handle(launch.device());
    check(set_stream(of_device, launch.stream()), "cublasSetStream_v2");
    check(axpy(of_device, count, alpha, x, 1, y, 1), "cublasSaxpy_v2");
}

} // namespace nbit::cuda
