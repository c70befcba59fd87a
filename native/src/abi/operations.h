// What the exports ask a device to do: their arguments, after they have been checked.
#pragma once
#include "nbit/nbit.h"

namespace nbit
{
struct ScaledMatrix; // see cpu/float8/scaled_matrix.h
}

namespace nbit::operation
{

// The absmax of blocks. Where it is quantized itself, codes, book and offset say how; otherwise they are null.
struct BlockAbsmax {
    const float* absmax;
    const uint8_t* codes;
    const float* book;
    const float* offset;
};

struct CastValues {
    static constexpr char name[] = "nbit_values_cast";
    int32_t source_type;
    const void* source;
    int64_t count;
    int32_t target_type;
    void* target;
    const float* scale;
    float* amax;
};

struct QuantizeBlocks4 {
    static constexpr char name[] = "nbit_blocks4_quantize";
    int32_t quant_type, source_type;
    const void* source;
    int64_t count, blocksize;
    uint8_t* packed;
    float* absmax;
};

struct DequantizeBlocks4 {
    static constexpr char name[] = "nbit_blocks4_dequantize";
    int32_t quant_type;
    const uint8_t* packed;
    BlockAbsmax absmax;
    int64_t count, blocksize;
    int32_t target_type;
    void* target;
};

struct Linear4Weight {
    int32_t quant_type;
    const uint8_t* packed;
    BlockAbsmax absmax;
    int64_t blocksize, out_features, in_features;
};

struct Linear4Forward {
    static constexpr char name[] = "nbit_linear4_forward";
    Linear4Weight weight;
    int32_t x_type;
    const void* x;
    int64_t rows;
    int32_t bias_type;
    const void* bias;
    int32_t compute_type;
    void* y;
};

struct Linear4Backward {
    static constexpr char name[] = "nbit_linear4_backward";
    Linear4Weight weight;
    int32_t y_type;
    const void* grad_y;
    int64_t rows;
    int32_t compute_type;
    void* grad_x;
};

struct QuantizeBlocks8 {
    static constexpr char name[] = "nbit_blocks8_quantize";
    const nbit_codebook8& book;
    int32_t source_type;
    const void* source;
    int64_t count, blocksize;
    uint8_t* codes;
    float* absmax;
};

struct DequantizeBlocks8 {
    static constexpr char name[] = "nbit_blocks8_dequantize";
    const nbit_codebook8& book;
    const uint8_t* codes;
    const float* absmax;
    int64_t count, blocksize;
    int32_t target_type;
    void* target;
};

struct QuantizeAbsmax {
    static constexpr char name[] = "nbit_absmax_quantize";
    const nbit_codebook8& book;
    const float* absmax;
    int64_t count, blocksize;
    const float* given_offset;
    uint8_t* codes;
    float* nested_absmax;
    float* offset;
};

struct DequantizeAbsmax {
    static constexpr char name[] = "nbit_absmax_dequantize";
    const float* absmax_book;
    const uint8_t* codes;
    const float* nested_absmax;
    const float* offset;
    int64_t count, blocksize;
    float* absmax;
};

struct QuantizeRows8 {
    static constexpr char name[] = "nbit_rows8_quantize";
    int32_t source_type;
    const void* source;
    int64_t rows, columns;
    float threshold;
    int8_t* codes;
    float* row_absmax;
    uint8_t* outlier_columns;
};

struct DequantizeRows8 {
    static constexpr char name[] = "nbit_rows8_dequantize";
    const int8_t* codes;
    const float* row_absmax;
    int64_t rows, columns;
    int32_t target_type;
    void* target;
};

struct QuantizeColumns8 {
    static constexpr char name[] = "nbit_columns8_quantize";
    int32_t source_type;
    const void* source;
    int64_t rows, columns;
    const uint8_t* left_out;
    int8_t* codes;
    float* column_absmax;
};

// Of a[m, k] and b[n, k].
struct MultiplyInt8 {
    static constexpr char name[] = "nbit_int8_multiply";
    const int8_t* a;
    const int8_t* b;
    int64_t m, n, k;
    int32_t* product;
};

struct DequantizeProduct8 {
    static constexpr char name[] = "nbit_int8_product_dequantize";
    const int32_t* product;
    int64_t m, n;
    const float* row_absmax;
    const float* column_absmax;
    int32_t bias_type;
    const void* bias;
    int32_t target_type;
    void* target;
};

struct MultiplyDequantizeInt8 {
    static constexpr char name[] = "nbit_int8_multiply_dequantize";
    const int8_t* a;
    const float* row_absmax;
    const int8_t* b;
    const float* column_absmax;
    int64_t m, n, k;
    int32_t bias_type;
    const void* bias;
    int32_t target_type;
    void* target;
};

struct Linear8Forward {
    static constexpr char name[] = "nbit_linear8_forward";
    const int8_t* codes;
    const float* row_absmax;
    int64_t out_features, in_features;
    int32_t x_type;
    const void* x;
    int64_t rows;
    float threshold;
    int32_t bias_type;
    const void* bias;
    void* y;
};

struct Linear8Backward {
    static constexpr char name[] = "nbit_linear8_backward";
    const int8_t* codes;
    const float* row_absmax;
    int64_t out_features, in_features;
    int32_t y_type;
    const void* grad_y;
    int64_t rows;
    void* grad_x;
};

struct StepOptimizer {
    static constexpr char name[] = "nbit_optimizer_step";
    int32_t optimizer;
    int64_t step;
    float learning_rate, beta1, beta2, beta3, alpha, epsilon, weight_decay, gradient_scale, max_unorm;
    int32_t skip_zeros;
    int64_t tensors;
    const int64_t* counts;
    int32_t type;
    void* const* parameters;
    const void* const* gradients;
    int32_t state_type;
    void* const* state1;
    void* const* state2;
    float* const* absmax1;
    float* const* absmax2;
    const uint64_t* rounding_seeds;
};

struct ComputeAmax {
    static constexpr char name[] = "nbit_amax_compute";
    int32_t source_type;
    const void* source;
    int64_t count;
    float* amax;
};

struct ComputeScale {
    static constexpr char name[] = "nbit_scale_compute";
    int32_t format;
    bool power_of_two;
    float epsilon;
    const float* amax;
    int64_t count;
    float* scale;
    float* scale_inverse;
};

struct UpdateAmaxHistory {
    static constexpr char name[] = "nbit_amax_history_update";
    int32_t rule, algorithm, format;
    float margin;
    float* history;
    int64_t length, columns;
    float* scale;
};

struct QuantizeFloat8 {
    static constexpr char name[] = "nbit_float8_quantize";
    int32_t source_type;
    const void* source;
    int64_t rows, columns;
    int32_t format;
    const float* scale;
    uint8_t* codes;
    uint8_t* transposed_codes;
    float* scale_inverse;
    float* amax;
};

// What is quantized in blocks: a row-major matrix, or its transpose.
struct BlockSource {
    int32_t type;
    const void* elements;
    int64_t rows, columns;
    bool transpose;
};

struct QuantizeMxfp8 {
    static constexpr char name[] = "nbit_mxfp8_quantize";
    BlockSource source;
    const ScaledMatrix& matrix;
};

struct QuantizeFloat8Blocks {
    static constexpr char name[] = "nbit_float8_block_quantize";
    BlockSource source;
    const ScaledMatrix& matrix;
    bool power_of_two;
    float epsilon;
};

struct QuantizeNvfp4 {
    static constexpr char name[] = "nbit_nvfp4_quantize";
    BlockSource source;
    const ScaledMatrix& matrix;
    int64_t block_rows;
    const float* amax;
    const uint64_t* rounding_seed;
};

struct TransformHadamard {
    static constexpr char name[] = "nbit_hadamard_transform";
    const uint16_t* source;
    int64_t rows, columns;
    uint16_t* target;
};

struct DequantizeScaled {
    static constexpr char name[] = "nbit_scaled_dequantize";
    const ScaledMatrix& matrix;
    int32_t target_type;
    void* target;
};

// Of a[m, k] and b[n, k], or of their transposes.
struct MultiplyScaled {
    static constexpr char name[] = "nbit_scaled_multiply";
    int64_t m, n, k;
    const ScaledMatrix& a;
    bool a_transposed;
    const ScaledMatrix& b;
    bool b_transposed;
    int32_t bias_type;
    const void* bias;
    bool accumulate;
    int32_t target_type;
    void* target;
};

} // namespace nbit::operation
