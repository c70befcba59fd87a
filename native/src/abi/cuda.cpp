#include "abi/guard.h"
#include "cuda/libraries.h"

#include <algorithm>

using namespace nbit;

int32_t nbit_cuda_set_library(int32_t library, const char* path)
{
    return guarded([&] { cuda::libraries().set_path(library, &required(path, "path")); });
}

int32_t nbit_cuda_describe(int32_t library, char* text, int64_t capacity)
{
    return guarded([&] {
        char* out = &required(text, "text");
        if (capacity < 1)
            throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                        "capacity is %lld; allowed are 1 (for the 0 at the end) and above",
                        static_cast<long long>(capacity));
        const String found = cuda::libraries().describe(library);
        const size_t length = std::min(found.size(), static_cast<size_t>(capacity) - 1);
        std::copy_n(found.data(), length, out);
        out[length] = 0;
    });
}
