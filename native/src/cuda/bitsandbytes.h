// libbitsandbytes_cuda*.so.
#pragma once
#include "cuda/bitsandbytes_functions.h"
#include "cuda/runtime.h"

#include <mutex>

namespace nbit::cuda
{

class Bitsandbytes : public Allocated, public BitsandbytesFunctions
{
public:
    // Throws where it is not found, or is of another ABI.
    Bitsandbytes(const Runtime& runtime, const String& path_in_code);

    const String& summary() const noexcept { return summary_; }

    // That handle, which is made once a device.
    void* handle(int32_t device) const;

private:
    Library open(const Runtime& runtime, const String& path_in_code, String& log) const;

    Library library_;
    String summary_;
    mutable std::mutex handles_lock_;
    mutable Vector<void*> handles_;
};

} // namespace nbit::cuda
