// The types of Transformer Engine's C interface (transformer_engine.h), as they have been since version 2.4.
#pragma once
#include <cstddef>
#include <cstdint>

namespace nbit::cuda::te
{

// NVTEDType
enum class Type : int32_t {
    byte = 0,
    int16 = 1,
    int32 = 2,
    int64 = 3,
    float32 = 4,
    float16 = 5,
    bfloat16 = 6,
    float8_e4m3 = 7,
    float8_e5m2 = 8,
    float8_e8m0 = 9,
    float4_e2m1 = 10,
};

// NVTEScalingMode
enum class ScalingMode : int32_t {
    per_tensor = 0, // and tensors that are not quantized
    mxfp8_1d = 1,
    block_1d = 2,
    block_2d = 3,
    nvfp4_1d = 4,
};

// NVTETensorParam
enum class TensorParameter : int32_t {
    rowwise_data = 0,
    columnwise_data = 1,
    scale = 2,
    amax = 3,
    rowwise_scale_inverse = 4,
    columnwise_scale_inverse = 5,
    columnwise_amax = 6,
    with_swizzled_scales = 7, // uint8: scales are in the order that products read them in
};

// NVTEQuantizationConfigAttribute
enum class QuantizationAttribute : int32_t {
    force_power_of_two_scales = 0, // uint8
    amax_epsilon = 1,              // float
    noop_tensor = 2,               // a tensor
    random_state = 4,              // a tensor of int64[2]
    two_dimensional_nvfp4 = 5,     // uint8, as all below
    stochastic_rounding = 6,
    fast_math = 7,
    two_dimensional_mxfp8 = 10,
};

// NVTEMatmulConfigAttribute
enum class MatmulAttribute : int32_t {
    bias_tensor = 0, // a tensor
    bias_gradient_tensor = 1,
    with_gelu_epilogue = 2, // uint8
    with_gelu_gradient_epilogue = 3,
    epilogue_auxiliary_tensor = 4, // a tensor
    split_accumulator = 5,         // uint8
    processor_count = 6,           // int32
};

// NVTEShape
struct Shape {
    static constexpr size_t most_dimensions = 15;
    size_t extents[most_dimensions];
    size_t dimensions;
};
static_assert(sizeof(Shape) == 128 && offsetof(Shape, dimensions) == 120);

// NVTEBasicTensor
struct BasicTensor {
    void* data;
    Type type;
    Shape shape;
};
static_assert(sizeof(BasicTensor) == 144 && offsetof(BasicTensor, data) == 0 && offsetof(BasicTensor, type) == 8 &&
              offsetof(BasicTensor, shape) == 16);

using Handle = void*; // NVTETensor, NVTEQuantizationConfig, NVTEMatmulConfig

// A std::vector<NVTETensor> of libstdc++ that belongs to the caller: three pointers, whose address is what a parameter
// of that type is (Itanium C++ ABI 3.1.2.3, as its destructor is not trivial).
struct HandleVector {
    const Handle *begin, *end, *end_of_memory;
};

// Of whole elements: float4 has two in a byte and no size of its own.
constexpr int64_t type_size(Type type) noexcept
{
    switch (type) {
    case Type::byte:
    case Type::float8_e4m3:
    case Type::float8_e5m2:
    case Type::float8_e8m0:
        return 1;
    case Type::int16:
    case Type::float16:
    case Type::bfloat16:
        return 2;
    case Type::int32:
    case Type::float32:
        return 4;
    case Type::int64:
        return 8;
    case Type::float4_e2m1:
        return 0;
    }
    return 0;
}

} // namespace nbit::cuda::te
