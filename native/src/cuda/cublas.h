// The one function of cuBLAS that NBit needs beside bitsandbytes.
#pragma once
#include "cuda/launch.h"

#include <mutex>

namespace nbit::cuda
{

struct CublasFunctions {
    using Handle = void*;
    ForeignFunction<int32_t(Handle*)> create;
    ForeignFunction<int32_t(Handle, Stream)> set_stream;
    ForeignFunction<int32_t(Handle, int32_t)> set_pointer_mode;
    ForeignFunction<int32_t(Handle, int32_t, const float*, const float*, int32_t, float*, int32_t)> axpy;

    // visit(function, its symbol, since which version), for all functions.
    template <class Visit> void for_each_function(Visit&& visit)
    {
        visit(create, "cublasCreate_v2", "4.0");
        visit(set_stream, "cublasSetStream_v2", "4.0");
        visit(set_pointer_mode, "cublasSetPointerMode_v2", "4.0");
        visit(axpy, "cublasSaxpy_v2", "4.0");
    }
};

class Cublas : public Allocated, private CublasFunctions
{
public:
    // Throws where it is not found.
    explicit Cublas(const Runtime& runtime);

    // y[i] += *alpha * x[i], in one rounding; all in the device's memory.
    void add_scaled(const Launch& launch, int32_t count, const float* alpha, const float* x, float* y) const;

private:
    Handle handle(int32_t device) const; // with the lock held

    Library library_;
    mutable std::mutex lock_; // a handle has one stream at a time
    mutable Vector<Handle> handles_;
};

} // namespace nbit::cuda
