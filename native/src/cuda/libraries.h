// The libraries of a process, each opened when it is first needed.
#pragma once
#include "cuda/bitsandbytes.h"
#include "cuda/cublas.h"
#include "cuda/transformer_engine.h"

#include <memory>
#include <mutex>

namespace nbit::cuda
{

class Libraries : public Allocated
{
public:
    // Throw where a library is not found or not usable; the next call tries again.
    const Runtime& runtime();
    const Bitsandbytes& bitsandbytes();
    const Cublas& cublas();
    const TransformerEngine& transformer_engine();

    // Where to find one of nbit_cuda_library instead of searching it; throws where it is open already.
    void set_path(int32_t library, const char* path);

    // What was found and what it is used for, or why it cannot be used.
    String describe(int32_t library);

private:
    template <class Found> struct Slot {
        String path_in_code;
        std::unique_ptr<const Found> found;
    };
    [[noreturn]] static void refuse(int32_t library);
    const Runtime& open_runtime();
    String describe_runtime();
    bool has_runtime();

    std::mutex lock_;
    Slot<Runtime> runtime_;
    Slot<Bitsandbytes> bitsandbytes_;
    std::unique_ptr<const Cublas> cublas_;
    Slot<TransformerEngine> transformer_engine_;
};

// The process's.
Libraries& libraries();

} // namespace nbit::cuda
