#include "cuda/capability.h"
#include "nbit/nbit.h"

#include <cstdio>

namespace nbit::cuda
{
namespace
{

// The rules by which Transformer Engine itself says whether a recipe is supported.
struct Need {
    const char* what;
    ComputeCapability from, below; // below 0.0 is any
    Version cuda;
};

constexpr Need need_of(int32_t scaling, const ComputeCapability& found)
{
    switch (scaling) {
    case NBIT_SCALING_MXFP8_1X32:
    case NBIT_SCALING_MXFP8_32X1:
    case NBIT_SCALING_MXFP8_32X32:
        return {"MXFP8", {10, 0}, {12, 0}, {12, 8}};
    case NBIT_SCALING_FLOAT8_1X128:
    case NBIT_SCALING_FLOAT8_128X128:
        return {"float8 in blocks", {9, 0}, {}, {12, 9}};
    case NBIT_SCALING_NVFP4_1X16:
        return {"NVFP4", {10, 0}, {}, {12, 8}};
    default: // products of capability 8.9 came with a later version than those of 9.0
        return {"float8", {8, 9}, {}, found.is_before({9, 0}) ? Version{12, 1} : Version{11, 8}};
    }
}

} // namespace

void require_capability(const Runtime& runtime, int32_t device, int32_t scaling)
{
    const ComputeCapability found = runtime.capability(device);
    const Need need = need_of(scaling, found);
    const bool has_end = need.below.major > 0;
    if (found.is_before(need.from) || (has_end && !found.is_before(need.below))) {
        char end[24] = "";
        if (has_end) std::snprintf(end, sizeof(end), " and below %d.%d", need.below.major, need.below.minor);
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "%s on CUDA needs compute capability %d.%d or above%s; device %d has %d.%d. Use another device or "
                    "another recipe",
                    need.what, need.from.major, need.from.minor, end, device, found.major, found.minor);
    }
    if (runtime.version().is_before(need.cuda))
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "%s on device %d, of compute capability %d.%d, needs CUDA %d.%d or later; the runtime is %d.%d. "
                    "Install a newer one",
                    need.what, device, found.major, found.minor, need.cuda.major, need.cuda.minor,
                    runtime.version().major, runtime.version().minor);
}

} // namespace nbit::cuda
