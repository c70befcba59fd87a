/// The C ABI of libnbit: kernels for low-precision formats, on the CPU and (through adapters) on CUDA.
///
/// Conventions, for every function here:
///   - The result is a status: 0 (NBIT_STATUS_OK) is success, everything else a value of nbit_status. Results are
///     written through out pointers, and only on success. nbit_error_message says what went wrong.
///   - Parameters are fixed-width integers, float and double, and raw pointers. Counts are int64_t, in elements.
///   - Arguments are checked before anything is written. No exception leaves a function, and nothing in the library
///     ends the process or writes to its standard streams.
///   - Outputs and workspaces belong to the caller. Tensors are contiguous unless a function says otherwise.
///   - Numbers that a kernel reads or makes on the way (scales, amax) are pointers into the context's memory, never
///     values, so that a GPU need not wait for the host.
///   - Functions may be called from any thread. A context may be shared by threads.
#ifndef NBIT_NBIT_H
#define NBIT_NBIT_H

#include <stdint.h>

#if defined(_WIN32)
#define NBIT_EXPORT __declspec(dllexport)
#else
#define NBIT_EXPORT __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/// Version of this ABI (semantic versioning): callers refuse a library of another major version.
enum nbit_abi_version {
    NBIT_ABI_VERSION_MAJOR = 0,
    NBIT_ABI_VERSION_MINOR = 1,
    NBIT_ABI_VERSION_PATCH = 0,
};

/// What a function returns.
enum nbit_status {
    /// Success.
    NBIT_STATUS_OK = 0,
    /// An argument is outside what is allowed; nothing was changed.
    NBIT_STATUS_INVALID_ARGUMENT = 1,
    /// Memory could not be had; nothing was changed.
    NBIT_STATUS_OUT_OF_MEMORY = 2,
    /// This machine, or a library found on it, cannot do what was asked.
    NBIT_STATUS_NOT_SUPPORTED = 3,
    /// The library is in a state that does not allow the call, e.g. it was not initialized.
    NBIT_STATUS_INVALID_STATE = 4,
    /// A fault of the library or of one it calls.
    NBIT_STATUS_INTERNAL_ERROR = 5,
    /// The device of this context has no kernel for these arguments, or the library that has it was not found; nothing
    /// was changed. Other operations can do the same. Never on the CPU.
    NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND = 6,
};

/// Element types. The numbers are libtorch's ScalarType.
enum nbit_data_type {
    NBIT_DATA_TYPE_UINT8 = 0,
    NBIT_DATA_TYPE_INT8 = 1,
    NBIT_DATA_TYPE_INT32 = 3,
    NBIT_DATA_TYPE_INT64 = 4,
    /// IEEE 754 binary16.
    NBIT_DATA_TYPE_FLOAT16 = 5,
    /// IEEE 754 binary32.
    NBIT_DATA_TYPE_FLOAT32 = 6,
    /// IEEE 754 binary64.
    NBIT_DATA_TYPE_FLOAT64 = 7,
    /// The upper half of a binary32.
    NBIT_DATA_TYPE_BFLOAT16 = 15,
    /// OCP FP8 E5M2: 5 exponent bits, 2 mantissa bits, with infinities and NaN.
    NBIT_DATA_TYPE_FLOAT8_E5M2 = 23,
    /// OCP FP8 E4M3: 4 exponent bits, 3 mantissa bits, no infinity, one NaN magnitude; largest value 448.
    NBIT_DATA_TYPE_FLOAT8_E4M3FN = 24,
    /// OCP MX scale: a power of two.
    NBIT_DATA_TYPE_FLOAT8_E8M0FNU = 44,
    /// Two 4-bit floating point codes of OCP MX (E2M1: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and a sign) in a byte. The code of
    /// the first element is in the lower four bits.
    NBIT_DATA_TYPE_FLOAT4_E2M1FN_X2 = 45,
};

/// 4-bit codes. The numbers are bitsandbytes'.
enum nbit_quant_type {
    /// A sign and 8 magnitudes: 0, 1/192, 1/6, 1/4, 1/3, 1/2, 2/3 and 1.
    NBIT_QUANT_TYPE_FP4 = 1,
    /// NormalFloat4 of QLoRA: 16 quantiles of the normal distribution.
    NBIT_QUANT_TYPE_NF4 = 2,
};

/// Rules that optimizers step by. Those of bitsandbytes' CUDA kernels.
enum nbit_optimizer {
    /// Adam, and AdamW: weight decay is decoupled in both and comes after the update. With max_unorm: LAMB.
    NBIT_OPTIMIZER_ADAM = 0,
    /// SGD with momentum. With max_unorm: LARS.
    NBIT_OPTIMIZER_MOMENTUM = 1,
    /// Lion. Weight decay comes before the update.
    NBIT_OPTIMIZER_LION = 2,
    /// RMSprop.
    NBIT_OPTIMIZER_RMSPROP = 3,
    /// Adagrad.
    NBIT_OPTIMIZER_ADAGRAD = 4,
    /// AdEMAMix. Weight decay comes after the update.
    NBIT_OPTIMIZER_ADEMAMIX = 5,
};

/// How a matrix is scaled: which elements share a scale, and what scales are. Those of Transformer Engine.
///
/// A scaled matrix is codes, row-major [rows, columns], and scales. Blocks begin at row 0 and column 0, those at the
/// ends may be smaller, and their scales are row-major, without padding. An element is its code times its scale.
enum nbit_scaling {
    /// One float32 for the whole matrix, 1 / the scale that it was quantized with. Codes are float8_e4m3fn or
    /// float8_e5m2. Delayed and current scaling.
    NBIT_SCALING_TENSOR = 0,
    /// Blocks of 32 elements of a row, with one float8_e8m0fnu each: [rows, ceil(columns / 32)]. Codes are
    /// float8_e4m3fn or float8_e5m2. MXFP8's operand whose rows are summed over.
    NBIT_SCALING_MXFP8_1X32 = 1,
    /// Blocks of 32 elements of a column: [ceil(rows / 32), columns]. MXFP8's operand whose columns are summed over.
    NBIT_SCALING_MXFP8_32X1 = 2,
    /// Blocks of 32 x 32 elements: [ceil(rows / 32), ceil(columns / 32)]. For weights.
    NBIT_SCALING_MXFP8_32X32 = 3,
    /// Blocks of 128 elements of a row, with one float32 each, 1 / the scale that they were quantized with: [rows,
    /// ceil(columns / 128)]. Codes are float8_e4m3fn or float8_e5m2. Float8 block scaling of activations and gradients.
    NBIT_SCALING_FLOAT8_1X128 = 4,
    /// Blocks of 128 x 128 elements: [ceil(rows / 128), ceil(columns / 128)]. Float8 block scaling of weights.
    NBIT_SCALING_FLOAT8_128X128 = 5,
    /// Blocks of 16 elements of a row, with one float8_e4m3fn each: [rows, ceil(columns / 16)]. An element is code *
    /// (scale * amax * (1 / 2688)), with one amax for the whole matrix. Codes are float4_e2m1fn_x2, and a row has
    /// ceil(columns / 2) bytes.
    NBIT_SCALING_NVFP4_1X16 = 6,
};

/// Which amax of a history scales the next step.
enum nbit_amax_algorithm {
    /// The largest one.
    NBIT_AMAX_ALGORITHM_MAX = 0,
    /// That of the last step.
    NBIT_AMAX_ALGORITHM_MOST_RECENT = 1,
};

/// The variants of Transformer Engine's update of delayed scaling.
enum nbit_history_rule {
    /// The kernel that updates all tensors at once, its default: a column whose first row is 0 is left alone.
    NBIT_HISTORY_RULE_FUSED = 0,
    /// The kernel for a single tensor: every column moves on.
    NBIT_HISTORY_RULE_SINGLE_TENSOR = 1,
    /// The update in Python: every column moves on, NaN in a history keeps the scale, and the scale is made of a
    /// reciprocal, so that it may differ in the last bit.
    NBIT_HISTORY_RULE_UNFUSED = 2,
};

/// Where a context works.
enum nbit_device_kind {
    NBIT_DEVICE_KIND_CPU = 0,
    NBIT_DEVICE_KIND_CUDA = 1,
};

/// Libraries that a CUDA context uses. They are opened when they are first needed.
enum nbit_cuda_library {
    /// libcudart, of CUDA 11.2 or later.
    NBIT_CUDA_LIBRARY_RUNTIME = 0,
    /// libbitsandbytes_cuda*.so, of bitsandbytes 0.45 to 0.x.
    NBIT_CUDA_LIBRARY_BITSANDBYTES = 1,
    /// libtransformer_engine.so, of Transformer Engine 2.4 to 2.x.
    NBIT_CUDA_LIBRARY_TRANSFORMER_ENGINE = 2,
};

/// Instruction sets that kernels are written for, in rising order. Each needs all that the one before it needs.
enum nbit_instruction_set {
    /// Any x86-64 or other CPU.
    NBIT_INSTRUCTION_SET_SCALAR = 0,
    /// AVX2, FMA and F16C.
    NBIT_INSTRUCTION_SET_AVX2 = 1,
    /// AVX-512 F, BW, DQ, VL, CD, VBMI, VBMI2 and VNNI: Intel Ice Lake, AMD Zen 4 and later.
    NBIT_INSTRUCTION_SET_AVX512 = 2,
    /// The above and AVX512-BF16: Intel Sapphire Rapids, AMD Zen 4 and later.
    NBIT_INSTRUCTION_SET_AVX512BF16 = 3,
};

/// A device, the stream on it and the number of threads that work is issued with.
typedef struct nbit_context nbit_context;

/// An 8-bit code: 256 numbers, prepared for the search of the nearest one.
typedef struct nbit_codebook8 nbit_codebook8;

/// A loop over [begin, end) in pieces of at least `grain`, run by several threads: calls body(b, e, state) for disjoint
/// ranges that cover it and returns when all are done. A nonzero result means that the loop could not run.
typedef int32_t (*nbit_parallel_for)(int64_t begin, int64_t end, int64_t grain,
                                     void (*body)(int64_t begin, int64_t end, void* state), void* state);

/// The version of the ABI that this library implements.
/// \param major Changes when a caller must change.
/// \param minor Changes when something is added.
/// \param patch Changes otherwise.
NBIT_EXPORT int32_t nbit_version_get(int32_t* major, int32_t* minor, int32_t* patch);

/// The message of the last failure on this thread: what was given, what is allowed and what to do.
/// \param message UTF-8, ends with 0; valid until the next failure on this thread. Empty if nothing has failed yet.
NBIT_EXPORT int32_t nbit_error_message(const char** message);

/// Sets that message. For libraries built on this one, so that a caller has one place to read.
/// \param message UTF-8 that ends with 0; copied, at most 1023 bytes of it.
NBIT_EXPORT int32_t nbit_error_set(const char* message);

/// Creates a context.
///
/// A CUDA context needs the CUDA runtime; bitsandbytes and Transformer Engine are opened by the first operation that
/// uses them. Of the functions below, a CUDA context runs those that these have kernels for. Others, and arguments that
/// those kernels do not take, give NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND. Pointers to elements are then into the
/// device's memory, lists and what they count stay in the host's. Work is issued on the context's stream, and a call
/// may return before it is done. Numbers in the device's memory, such as scales, are not checked: that would mean to
/// wait for it.
/// \param device_kind One of nbit_device_kind.
/// \param device_index The device's ordinal; 0 for the CPU.
/// \param threads The most threads that a call on this context uses; 0 for as many as the machine has processors.
/// \param context Receives the context; release it with nbit_context_destroy.
NBIT_EXPORT int32_t nbit_context_create(int32_t device_kind, int32_t device_index, int32_t threads,
                                        nbit_context** context);

/// Releases a context.
/// \param context The context; null is allowed and does nothing.
NBIT_EXPORT int32_t nbit_context_destroy(nbit_context* context);

/// Sets the stream that later calls on this context are issued on.
/// \param context The context.
/// \param stream A cudaStream_t for a CUDA context (null: the default stream). Null for the CPU.
NBIT_EXPORT int32_t nbit_context_set_stream(nbit_context* context, void* stream);

/// Sets the most threads that a call on this context uses.
/// \param context The context.
/// \param threads 1 or more; 0 for as many as the machine has processors.
NBIT_EXPORT int32_t nbit_context_set_threads(nbit_context* context, int32_t threads);

/// The most threads that a call on this context uses.
/// \param context The context.
/// \param threads Receives the number.
NBIT_EXPORT int32_t nbit_context_get_threads(nbit_context* context, int32_t* threads);

/// What the CPU offers, as text: the names of the features that choose kernels, separated by spaces.
/// \param features Receives ASCII text that ends with 0 and lives as long as the library.
NBIT_EXPORT int32_t nbit_cpu_describe(const char** features);

/// The best instruction set that this machine supports.
/// \param instruction_set Receives one of nbit_instruction_set.
NBIT_EXPORT int32_t nbit_instruction_set_detect(int32_t* instruction_set);

/// The instruction set whose kernels run: the best one, unless the environment variable NBIT_ISA (scalar, avx2, avx512
/// or avx512bf16) or nbit_instruction_set_force says otherwise.
/// \param instruction_set Receives one of nbit_instruction_set.
NBIT_EXPORT int32_t nbit_instruction_set_get(int32_t* instruction_set);

/// Makes later calls in this process run the kernels of one instruction set. For tests and comparisons.
/// \param instruction_set One of nbit_instruction_set that this machine supports.
NBIT_EXPORT int32_t nbit_instruction_set_force(int32_t instruction_set);

/// Says where a library is that CUDA contexts use. Without it, the library is searched where an environment variable
/// says (NBIT_CUDA_RUNTIME_LIBRARY, NBIT_BITSANDBYTES_LIBRARY or NBIT_TRANSFORMER_ENGINE_LIBRARY), or else beside
/// libnbit and in the Python environments of VIRTUAL_ENV and CONDA_PREFIX; the runtime also where the system's loader
/// looks.
/// \param library One of nbit_cuda_library, not open yet.
/// \param path Absolute; ends with 0; copied.
NBIT_EXPORT int32_t nbit_cuda_set_library(int32_t library, const char* path);

/// Describes a library that CUDA contexts use: its path, version and functions and what it is used for, or why it is
/// not used. Opens it if it is there.
/// \param library One of nbit_cuda_library.
/// \param text Receives UTF-8 that ends with 0, cut off where capacity ends.
/// \param capacity Bytes of text, 1 or more.
NBIT_EXPORT int32_t nbit_cuda_describe(int32_t library, char* text, int64_t capacity);

/// Replaces libnbit's own threads by another pool, so that a process has one. libnbit_torch installs libtorch's.
/// \param parallel_for The loop to use; null for libnbit's own threads.
NBIT_EXPORT int32_t nbit_parallel_set_backend(nbit_parallel_for parallel_for);

/// Memory that the library holds now. For leak tests.
/// \param bytes Receives the bytes requested and not yet released.
/// \param blocks Receives their number.
NBIT_EXPORT int32_t nbit_memory_count(int64_t* bytes, int64_t* blocks);

/// Makes an allocation of the library fail, to test what happens then.
/// \param allocation Which one from now on, counted over all threads: 1 is the next; 0 turns it off. Only one fails.
NBIT_EXPORT int32_t nbit_memory_fail(int64_t allocation);

/// Converts numbers: target[i] = round(source[i] * scale), to nearest, ties to even.
///
/// One of the two types is float32, float16 or bfloat16; the other one of these or float8_e4m3fn or float8_e5m2. The
/// product is rounded to float32 before it is rounded to the target. Float8 saturates at its largest finite
/// value (448, 57344), infinities included; float16 overflows to infinity; NaN stays NaN. Source and target need no
/// alignment, and the result does not depend on the calling thread's floating-point mode.
/// \param context Where to work.
/// \param source_type One of nbit_data_type.
/// \param source count elements.
/// \param count 0 or more.
/// \param target_type One of nbit_data_type.
/// \param target count elements; does not overlap source.
/// \param scale One finite float32 in the context's memory, or null for 1. To undo a scaled cast, give 1 / scale.
/// \param amax Null, or one float32 in the context's memory that becomes max(amax, max |source[i]|), NaN left out.
NBIT_EXPORT int32_t nbit_values_cast(nbit_context* context, int32_t source_type, const void* source, int64_t count,
                                     int32_t target_type, void* target, const float* scale, float* amax);

/// The numbers of a 4-bit code.
/// \param quant_type One of nbit_quant_type.
/// \param values Receives 16 float32: what each code stands for in a block whose absmax is 1.
NBIT_EXPORT int32_t nbit_codebook4_get_values(int32_t quant_type, float* values);

/// Quantizes to 4 bits in blocks, as bitsandbytes' CUDA kernels do: code[i] is nearest to source[i] / absmax.
///
/// absmax is the largest magnitude of a block. The quotient is source[i] * (1 / max(absmax, 1e-38)), both rounded to
/// float32. A quotient halfway between two codes takes the lower number for nf4, the smaller magnitude for fp4; a
/// negative one keeps fp4's sign bit. NaN makes absmax NaN and so the whole block; beside an infinity, which keeps its
/// sign, the finite elements become NaN. Blocks of zeros hold the code of zero and absmax 0. Source and packed need no
/// alignment, and the result does not depend on the calling thread's floating-point mode.
/// \param context Where to work.
/// \param quant_type One of nbit_quant_type.
/// \param source_type float32, float16 or bfloat16, of nbit_data_type.
/// \param source count elements.
/// \param count 0 or more; the last block may be shorter.
/// \param blocksize Elements that share one absmax: a power of two from 32 to 4096.
/// \param packed (count + 1) / 2 bytes: the code of an even element in the upper four bits, of the odd one after it in
/// the lower; those hold the code of zero after an odd count.
/// \param absmax Receives ceil(count / blocksize) float32.
NBIT_EXPORT int32_t nbit_blocks4_quantize(nbit_context* context, int32_t quant_type, int32_t source_type,
                                          const void* source, int64_t count, int64_t blocksize, uint8_t* packed,
                                          float* absmax);

/// Undoes nbit_blocks4_quantize: target[i] = round(value of code[i] * absmax), the product rounded to float32 first.
///
/// absmax may be quantized itself (bitsandbytes' double quantization, see nbit_absmax_quantize). It is then
/// absmax_book[absmax_codes[b]] * absmax[b / 256] + *absmax_offset for block b, the product and the sum rounded to
/// float32. Packed and target need no alignment, and the result does not depend on the calling thread's floating-point
/// mode.
/// \param context Where to work.
/// \param quant_type One of nbit_quant_type.
/// \param packed (count + 1) / 2 bytes, as nbit_blocks4_quantize writes them.
/// \param absmax One float32 a block, or one for 256 blocks where absmax_codes is given.
/// \param absmax_codes Null, or one byte a block.
/// \param absmax_book Null without absmax_codes, otherwise 256 float32.
/// \param absmax_offset Null without absmax_codes, otherwise one float32 in the context's memory.
/// \param count Elements, 0 or more.
/// \param blocksize Elements that share one absmax: a power of two from 32 to 4096.
/// \param target_type float32, float16 or bfloat16, of nbit_data_type.
/// \param target count elements; overlaps no other argument.
NBIT_EXPORT int32_t nbit_blocks4_dequantize(nbit_context* context, int32_t quant_type, const uint8_t* packed,
                                            const float* absmax, const uint8_t* absmax_codes, const float* absmax_book,
                                            const float* absmax_offset, int64_t count, int64_t blocksize,
                                            int32_t target_type, void* target);

/// Linear layer with a 4-bit weight: y = x W^T + bias, with x [rows, in_features], W [out_features, in_features] and
/// y [rows, out_features], all row-major.
///
/// Elements of x, W (value of code * absmax) and bias are rounded to compute_type, products are summed in float32, and
/// each sum is rounded to compute_type, then to the type of y. With bfloat16 or float16 and few rows the numbers of the
/// code may be rounded instead of their products with absmax, or nothing of W at all: a weight is then off by no more
/// than twice that rounding, and the result no less accurate. Products of denormal numbers may count as 0. Where x, W
/// or bias hold infinities or NaN, the elements of y that depend on them are infinite or NaN. A result does not depend
/// on the number of threads, but it may on the instruction set and on the number of rows. x, y, bias and packed need no
/// alignment, and the result does not depend on the calling thread's floating-point mode.
/// \param context Where to work.
/// \param quant_type One of nbit_quant_type.
/// \param packed (out_features * in_features + 1) / 2 bytes of the flattened weight, as nbit_blocks4_quantize writes
/// them. Blocks may span rows, and a row may begin in the middle of a byte.
/// \param absmax One float32 a block, or one for 256 blocks where absmax_codes is given, as for
/// nbit_blocks4_dequantize.
/// \param absmax_codes Null, or one byte a block.
/// \param absmax_book Null without absmax_codes, otherwise 256 float32.
/// \param absmax_offset Null without absmax_codes, otherwise one float32 in the context's memory.
/// \param blocksize Elements that share one absmax: a power of two from 32 to 4096.
/// \param out_features 0 to 2^47.
/// \param in_features 0 to 2^47. Multiples of 64 are fastest.
/// \param x_type Type of x and y: float32, float16 or bfloat16, of nbit_data_type.
/// \param x rows * in_features elements.
/// \param rows 0 or more.
/// \param bias_type Type of bias, as x_type. Not read without bias.
/// \param bias Null, or out_features elements.
/// \param compute_type float32, float16 or bfloat16, of nbit_data_type.
/// \param y Receives rows * out_features elements; overlaps no other argument.
NBIT_EXPORT int32_t nbit_linear4_forward(nbit_context* context, int32_t quant_type, const uint8_t* packed,
                                         const float* absmax, const uint8_t* absmax_codes, const float* absmax_book,
                                         const float* absmax_offset, int64_t blocksize, int64_t out_features,
                                         int64_t in_features, int32_t x_type, const void* x, int64_t rows,
                                         int32_t bias_type, const void* bias, int32_t compute_type, void* y);

/// The gradient of that layer's input: grad_x = grad_y W, with grad_y [rows, out_features] and grad_x
/// [rows, in_features], row-major.
///
/// Elements of grad_y and W are rounded to compute_type, products are summed in float32, and each sum is rounded to
/// compute_type, then to the type of grad_x. What nbit_linear4_forward says of special numbers, threads, alignment and
/// floating-point modes holds here, too.
/// \param context Where to work.
/// \param quant_type One of nbit_quant_type.
/// \param packed As for nbit_linear4_forward.
/// \param absmax As for nbit_linear4_forward.
/// \param absmax_codes As for nbit_linear4_forward.
/// \param absmax_book As for nbit_linear4_forward.
/// \param absmax_offset As for nbit_linear4_forward.
/// \param blocksize Elements that share one absmax: a power of two from 32 to 4096.
/// \param out_features 0 to 2^47.
/// \param in_features 0 to 2^47.
/// \param y_type Type of grad_y and grad_x: float32, float16 or bfloat16, of nbit_data_type.
/// \param grad_y rows * out_features elements.
/// \param rows 0 or more.
/// \param compute_type float32, float16 or bfloat16, of nbit_data_type.
/// \param grad_x Receives rows * in_features elements; overlaps no other argument.
NBIT_EXPORT int32_t nbit_linear4_backward(nbit_context* context, int32_t quant_type, const uint8_t* packed,
                                          const float* absmax, const uint8_t* absmax_codes, const float* absmax_book,
                                          const float* absmax_offset, int64_t blocksize, int64_t out_features,
                                          int64_t in_features, int32_t y_type, const void* grad_y, int64_t rows,
                                          int32_t compute_type, void* grad_x);

/// Prepares an 8-bit code, which takes about a millisecond. It may be used by any context on the same device, and by
/// several threads at once.
/// \param context Where it will be used.
/// \param values 256 float32 in rising order (equal neighbours are allowed), at most 2^126 in magnitude; copied.
/// \param book Receives the code; release it with nbit_codebook8_destroy.
NBIT_EXPORT int32_t nbit_codebook8_create(nbit_context* context, const float* values, nbit_codebook8** book);

/// Prepares one of bitsandbytes' dynamic maps, create_dynamic_map(is_signed), in the bits that bitsandbytes has on CPUs
/// with AVX2.
/// \param context Where it will be used.
/// \param is_signed 1 for numbers from -0.99297 to 1, 0 for numbers from 0 to 1.
/// \param book Receives the code; release it with nbit_codebook8_destroy.
NBIT_EXPORT int32_t nbit_codebook8_create_dynamic(nbit_context* context, int32_t is_signed, nbit_codebook8** book);

/// Releases an 8-bit code.
/// \param book The code; null is allowed and does nothing.
NBIT_EXPORT int32_t nbit_codebook8_destroy(nbit_codebook8* book);

/// The numbers of an 8-bit code.
/// \param book The code.
/// \param values Receives 256 float32.
NBIT_EXPORT int32_t nbit_codebook8_get_values(const nbit_codebook8* book, float* values);

/// Quantizes to 8 bits in blocks, as bitsandbytes' CUDA kernels do: codes[i] is nearest to source[i] / absmax.
///
/// absmax is the largest magnitude of a block. The quotient is source[i] * (1 / max(absmax, 1e-38)), both rounded to
/// float32. A quotient halfway between two numbers (their midpoint rounded to float32) takes the even code. NaN makes
/// absmax NaN and so the whole block; beside an infinity, which keeps its sign where the code has numbers of that sign,
/// the finite elements become NaN. Blocks of zeros hold the code of zero and absmax 0. Source and codes need no
/// alignment, and the result does not depend on the calling thread's floating-point mode.
/// \param context Where to work.
/// \param book The code.
/// \param source_type float32, float16 or bfloat16, of nbit_data_type.
/// \param source count elements.
/// \param count 0 or more; the last block may be shorter.
/// \param blocksize Elements that share one absmax, 1 or more. Powers of two from 32 are fast; others may be slower.
/// \param codes Receives count bytes.
/// \param absmax Receives ceil(count / blocksize) float32.
NBIT_EXPORT int32_t nbit_blocks8_quantize(nbit_context* context, const nbit_codebook8* book, int32_t source_type,
                                          const void* source, int64_t count, int64_t blocksize, uint8_t* codes,
                                          float* absmax);

/// Undoes nbit_blocks8_quantize: target[i] = round(value of codes[i] * absmax), the product rounded to float32 first.
/// Codes and target need no alignment, and the result does not depend on the calling thread's floating-point mode.
/// \param context Where to work.
/// \param book The code.
/// \param codes count bytes.
/// \param absmax ceil(count / blocksize) float32.
/// \param count 0 or more.
/// \param blocksize Elements that share one absmax, 1 or more. Powers of two from 32 are fast; others may be slower.
/// \param target_type float32, float16 or bfloat16, of nbit_data_type.
/// \param target count elements; overlaps no other argument.
NBIT_EXPORT int32_t nbit_blocks8_dequantize(nbit_context* context, const nbit_codebook8* book, const uint8_t* codes,
                                            const float* absmax, int64_t count, int64_t blocksize, int32_t target_type,
                                            void* target);

/// Quantizes the absmax of blocks to 8 bits (bitsandbytes' double quantization): subtracts their mean and quantizes the
/// differences, rounded to float32, as nbit_blocks8_quantize does.
///
/// The mean is the sum, made in double and rounded to float32, divided by the count in float32. torch.mean's last bit
/// depends on the processor and on the number of threads and may be another; give an offset where bytes must agree. NaN
/// and infinities are left out of it.
/// \param context Where to work.
/// \param book The code; bitsandbytes uses its signed dynamic map.
/// \param absmax count float32.
/// \param count 0 or more.
/// \param blocksize Entries that share one nested absmax: a power of two from 32 to 4096. nbit_blocks4_dequantize reads
/// 256.
/// \param given_offset Null, or one float32 in the context's memory to subtract instead of the mean.
/// \param codes Receives count bytes.
/// \param nested_absmax Receives ceil(count / blocksize) float32.
/// \param offset Receives, in the context's memory, the float32 that was subtracted: 0 if nothing is finite.
NBIT_EXPORT int32_t nbit_absmax_quantize(nbit_context* context, const nbit_codebook8* book, const float* absmax,
                                         int64_t count, int64_t blocksize, const float* given_offset, uint8_t* codes,
                                         float* nested_absmax, float* offset);

/// Undoes nbit_absmax_quantize: absmax[b] = absmax_book[codes[b]] * nested_absmax + *offset, the product and the sum
/// rounded to float32.
/// \param context Where to work.
/// \param absmax_book 256 float32.
/// \param codes count bytes.
/// \param nested_absmax ceil(count / blocksize) float32.
/// \param offset One float32 in the context's memory.
/// \param count 0 or more.
/// \param blocksize Entries that share one nested absmax: a power of two from 32 to 4096.
/// \param absmax Receives count float32; overlaps no other argument.
NBIT_EXPORT int32_t nbit_absmax_dequantize(nbit_context* context, const float* absmax_book, const uint8_t* codes,
                                           const float* nested_absmax, const float* offset, int64_t count,
                                           int64_t blocksize, float* absmax);

/// Quantizes rows to int8 as LLM.int8() does: codes = rint(source * (127 * (1 / absmax))), each product and the
/// reciprocal rounded to float32, halves to even.
///
/// With a threshold above 0, elements of at least that magnitude are outliers. They count for no absmax, and their
/// whole columns get the code 0: the caller multiplies those columns in another precision. NaN makes the row's absmax
/// NaN and its codes 0; beside an infinity that is no outlier, whose code is 127 with its sign, finite elements get the
/// code 0 and become NaN. A row of zeros gets absmax 0 and codes 0; of an absmax below 1e-36 the digits are lost.
/// Source and codes need no alignment, and the result does not depend on the calling thread's floating-point mode.
/// \param context Where to work.
/// \param source_type float32, float16 or bfloat16, of nbit_data_type.
/// \param source Row-major [rows, columns].
/// \param rows 0 or more.
/// \param columns 0 or more.
/// \param threshold Finite; 0 for no outliers. bitsandbytes' usual threshold is 6.
/// \param codes Receives [rows, columns].
/// \param row_absmax Receives rows float32.
/// \param outlier_columns Receives columns bytes: 1 where a column holds an outlier, otherwise 0. May be null if
/// threshold is 0.
NBIT_EXPORT int32_t nbit_rows8_quantize(nbit_context* context, int32_t source_type, const void* source, int64_t rows,
                                        int64_t columns, float threshold, int8_t* codes, float* row_absmax,
                                        uint8_t* outlier_columns);

/// Undoes nbit_rows8_quantize: target = round(codes * row_absmax * (1 / 127)), rounded to float32 after each product.
/// Codes and target need no alignment, and the result does not depend on the calling thread's floating-point mode.
/// \param context Where to work.
/// \param codes Row-major [rows, columns].
/// \param row_absmax rows float32.
/// \param rows 0 or more.
/// \param columns 0 or more.
/// \param target_type float32, float16 or bfloat16, of nbit_data_type.
/// \param target Receives [rows, columns]; overlaps no other argument.
NBIT_EXPORT int32_t nbit_rows8_dequantize(nbit_context* context, const int8_t* codes, const float* row_absmax,
                                          int64_t rows, int64_t columns, int32_t target_type, void* target);

/// Quantizes columns to int8, by the rule of nbit_rows8_quantize without outliers, and transposes the codes.
///
/// Products of int8 matrices sum over the last dimension of both, so that this is the form for sums over rows, as in
/// gradients of weights.
/// \param context Where to work.
/// \param source_type float32, float16 or bfloat16, of nbit_data_type.
/// \param source Row-major [rows, columns].
/// \param rows 0 or more.
/// \param columns 0 or more.
/// \param left_out Null, or columns bytes: columns whose byte is not 0 get absmax 0 and codes 0.
/// \param codes Receives the transpose, row-major [columns, rows].
/// \param column_absmax Receives columns float32.
NBIT_EXPORT int32_t nbit_columns8_quantize(nbit_context* context, int32_t source_type, const void* source, int64_t rows,
                                           int64_t columns, const uint8_t* left_out, int8_t* codes,
                                           float* column_absmax);

/// Multiplies int8 matrices: product[i, j] = sum of a[i, t] * b[j, t] over t, exactly.
/// The operands need no alignment.
/// \param context Where to work.
/// \param a Row-major [m, k].
/// \param b Row-major [n, k].
/// \param m 0 or more.
/// \param n 0 or more.
/// \param k 0 to 131,071: sums of so many products always fit in int32. Split a longer product and add the parts.
/// \param product Receives [m, n]; overlaps no other argument.
NBIT_EXPORT int32_t nbit_int8_multiply(nbit_context* context, const int8_t* a, const int8_t* b, int64_t m, int64_t n,
                                       int64_t k, int32_t* product);

/// Makes numbers of the product of matrices that were quantized by rows: target = round(product * row_absmax *
/// column_absmax * (1 / 127^2) + bias).
///
/// The product is rounded to float32, and so are its products with the two absmax, in this order; the last product and
/// the sum are one fused multiply-add with float32(1 / 127^2) = 6.200012e-05, as in bitsandbytes' CUDA kernels. Then
/// comes the rounding to the target. An infinite or NaN absmax shows in the target. Target and bias need no alignment,
/// and the result does not depend on the calling thread's floating-point mode.
/// \param context Where to work.
/// \param product Row-major [m, n], as nbit_int8_multiply gives it.
/// \param m 0 or more.
/// \param n 0 or more.
/// \param row_absmax m float32: of the rows of the left matrix.
/// \param column_absmax n float32: of the rows of the right matrix, which are the columns of the product.
/// \param bias_type float32, float16 or bfloat16, of nbit_data_type. Ignored without a bias.
/// \param bias Null, or n elements.
/// \param target_type float32, float16 or bfloat16, of nbit_data_type.
/// \param target Receives [m, n]; overlaps no other argument.
NBIT_EXPORT int32_t nbit_int8_product_dequantize(nbit_context* context, const int32_t* product, int64_t m, int64_t n,
                                                 const float* row_absmax, const float* column_absmax, int32_t bias_type,
                                                 const void* bias, int32_t target_type, void* target);

/// nbit_int8_multiply and nbit_int8_product_dequantize in one: the same numbers, without the int32 product in memory.
///
/// The gradient of an int8 layer's weight is such a product of two results of nbit_columns8_quantize: a of the gradient
/// [rows, out_features], b of the activations [rows, in_features] with the outlier columns left out. Those columns, 0
/// in the target, are a product of their own in another precision.
/// \param context Where to work.
/// \param a Row-major [m, k].
/// \param row_absmax m float32.
/// \param b Row-major [n, k].
/// \param column_absmax n float32.
/// \param m 0 or more.
/// \param n 0 or more.
/// \param k 0 to 131,071.
/// \param bias_type float32, float16 or bfloat16, of nbit_data_type. Ignored without a bias.
/// \param bias Null, or n elements.
/// \param target_type float32, float16 or bfloat16, of nbit_data_type.
/// \param target Receives [m, n]; overlaps no other argument.
NBIT_EXPORT int32_t nbit_int8_multiply_dequantize(nbit_context* context, const int8_t* a, const float* row_absmax,
                                                  const int8_t* b, const float* column_absmax, int64_t m, int64_t n,
                                                  int64_t k, int32_t bias_type, const void* bias, int32_t target_type,
                                                  void* target);

/// A linear layer with an int8 weight, as LLM.int8() computes it: y = x * weight^T + bias.
///
/// x is rounded to float16, whatever its type, and quantized as nbit_rows8_quantize does it. The int8 product and the
/// bias become float32 as in nbit_int8_product_dequantize. Then the product of the outlier columns is added: of the
/// float16 activations and codes * row_absmax * (1 / 127), rounded to float32 after each product, in chains of float32
/// fused multiply-adds over 192 columns in rising order. Last comes the rounding to x's type. Every instruction set
/// and number of threads gives the same bits, but for those of NaN. Codes, x, bias and y need no alignment, and the
/// result does not depend on the calling thread's floating-point mode.
/// \param context Where to work.
/// \param codes The weight, row-major [out_features, in_features], as nbit_rows8_quantize makes it without threshold.
/// \param row_absmax out_features float32: bitsandbytes' SCB.
/// \param out_features 0 or more.
/// \param in_features 0 to 131,071: int8 products of so many terms always fit in int32.
/// \param x_type float32, float16 or bfloat16, of nbit_data_type.
/// \param x Row-major [rows, in_features]; a batch of sequences counts all its tokens as rows.
/// \param rows 0 or more.
/// \param threshold Finite; 0 for no outliers. bitsandbytes' usual threshold is 6.
/// \param bias_type float32, float16 or bfloat16, of nbit_data_type. Ignored without a bias.
/// \param bias Null, or out_features elements.
/// \param y Receives [rows, out_features] of x's type; overlaps no other argument.
NBIT_EXPORT int32_t nbit_linear8_forward(nbit_context* context, const int8_t* codes, const float* row_absmax,
                                         int64_t out_features, int64_t in_features, int32_t x_type, const void* x,
                                         int64_t rows, float threshold, int32_t bias_type, const void* bias, void* y);

/// The gradient of what an int8 linear layer was given: grad_x = grad_y * weight.
///
/// The weight is codes * row_absmax * (1 / 127), rounded to float32 after each product and then to the gradient's type.
/// Sums are made in float32, in an order that depends on the instruction set, and rounded once. Denormals of bfloat16
/// operands may count as zero. Codes and gradients need no alignment, and the result depends neither on the number of
/// threads nor on the calling thread's floating-point mode.
/// \param context Where to work.
/// \param codes The weight, row-major [out_features, in_features].
/// \param row_absmax out_features float32.
/// \param out_features 0 or more.
/// \param in_features 0 or more.
/// \param y_type float32, float16 or bfloat16, of nbit_data_type: of both gradients.
/// \param grad_y Row-major [rows, out_features].
/// \param rows 0 or more.
/// \param grad_x Receives [rows, in_features]; overlaps no other argument.
NBIT_EXPORT int32_t nbit_linear8_backward(nbit_context* context, const int8_t* codes, const float* row_absmax,
                                          int64_t out_features, int64_t in_features, int32_t y_type, const void* grad_y,
                                          int64_t rows, void* grad_x);

/// Makes one step of an optimizer on a list of tensors, in one pass over parameters, gradients and states.
///
/// With g = gradient * gradient_scale, t = step, c1 = 1 - beta1^t, c2 = sqrt(1 - beta2^t), decay = 1 - learning_rate *
/// weight_decay and r = 1, or the trust ratio below, where every operation is rounded to float32:
///
/// adam: m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; p = (p - r learning_rate c2 / c1 * (m / (sqrt(v) +
/// epsilon c2))) decay.
///
/// ademamix: m and v as adam; n = beta3 n + (1 - beta3) g; p = (p - r learning_rate (m / c1 + alpha n) / (sqrt(v) / c2
/// + epsilon)) decay.
///
/// lion: p = p decay - r learning_rate sign(beta1 m + (1 - beta1) g); m = beta2 m + (1 - beta2) g.
///
/// momentum, rmsprop and adagrad: g = g + weight_decay p, then momentum: m = g in step 1, later beta1 m + g; p = p - r
/// learning_rate m; rmsprop: m = beta1 m + (1 - beta1) g^2, adagrad: m = m + g^2, both: p = p - r learning_rate g /
/// (sqrt(m) + epsilon).
///
/// max_unorm limits each tensor's update u, which is taken without weight decay and learning rate. r = limit / norm(u)
/// where norm(u) is larger than limit = max_unorm norm(p), plus epsilon for optimizers of one state. u of adam: (m /
/// c1) / (sqrt(v / c2^2) + epsilon); of ademamix, rmsprop and adagrad: the quotient; of momentum and lion: the new m. A
/// tensor of zeros has a limit of 0, or epsilon. NaN in a norm makes r 1.
///
/// 8-bit states are codes of bitsandbytes' dynamic maps, signed for state1 and unsigned for state2, in blocks of 256
/// elements that share one absmax. p is updated from the new states before they are quantized, as nbit_blocks8_quantize
/// does it, except that negative numbers never get the code of zero. A gradient that is infinite or NaN would spoil its
/// block: in 8 bits such an element keeps its parameter and its states become 0. In 32 bits it shows in the parameter
/// and in the states.
///
/// 16-bit parameters are rounded once. All instruction sets and numbers of threads give the same bits, but for those of
/// NaN; the calling thread's floating-point mode does not matter. Nothing but absmax needs alignment.
/// \param context Where to work.
/// \param optimizer One of nbit_optimizer.
/// \param step The number of this step: 1 for the first one. Group tensors by it where they differ.
/// \param learning_rate Finite, 0 or more.
/// \param beta1 0 to below 1: also SGD's momentum and RMSprop's alpha. Adagrad does not use it.
/// \param beta2 0 to below 1. Used by adam, lion and ademamix.
/// \param beta3 0 to below 1. Used by ademamix: of this step, schedules are the caller's.
/// \param alpha Finite. Used by ademamix: of this step.
/// \param epsilon Finite, 0 or more. Not used by lion and, without max_unorm, by momentum.
/// \param weight_decay Finite, 0 or more.
/// \param gradient_scale Finite; 1 to take gradients as they are.
/// \param max_unorm Finite, above 0 to limit updates; 0 for no limit.
/// \param skip_zeros 1: elements whose gradient is 0 are left alone with their states, as in sparse training; else 0.
/// \param tensors How many there are, 0 or more. Many small ones in one call cost little more than a large one.
/// \param counts The elements of each tensor, 0 or more.
/// \param type Of parameters and gradients: float32, float16 or bfloat16, of nbit_data_type.
/// \param parameters One pointer a tensor. Tensors, like all that is written here, share no memory.
/// \param gradients One pointer a tensor.
/// \param state_type float32, or uint8 for 8-bit states, of nbit_data_type.
/// \param state1 One pointer a tensor, to count elements: m. For ademamix to 2 * count elements: m, then n.
/// \param state2 One pointer a tensor, to count elements: v of adam and ademamix. The others do not read it.
/// \param absmax1 One pointer a tensor, to ceil(count / 256) float32, for ademamix to twice as many: of m, then of n.
/// Not read for 32-bit states.
/// \param absmax2 One pointer a tensor, to ceil(count / 256) float32. Not read where state2 or absmax1 is not.
/// \param rounding_seeds Null to round to nearest. Or, for bfloat16, one number a tensor: parameters are rounded up
/// with the probability of what was cut off, by random numbers made of the seed and the element's index. Give other
/// seeds in every step.
NBIT_EXPORT int32_t nbit_optimizer_step(nbit_context* context, int32_t optimizer, int64_t step, float learning_rate,
                                        float beta1, float beta2, float beta3, float alpha, float epsilon,
                                        float weight_decay, float gradient_scale, float max_unorm, int32_t skip_zeros,
                                        int64_t tensors, const int64_t* counts, int32_t type, void* const* parameters,
                                        const void* const* gradients, int32_t state_type, void* const* state1,
                                        void* const* state2, float* const* absmax1, float* const* absmax2,
                                        const uint64_t* rounding_seeds);

/// Finds the amax of float8 scaling: *amax = max |source[i]|, where NaN is left out; 0 if nothing is left.
/// \param context Where to work.
/// \param source_type float32, float16 or bfloat16, of nbit_data_type.
/// \param source count elements, of any alignment.
/// \param count 0 or more.
/// \param amax Receives one float32 in the context's memory; what was there does not matter.
NBIT_EXPORT int32_t nbit_amax_compute(nbit_context* context, int32_t source_type, const void* source, int64_t count,
                                      float* amax);

/// Makes scales of amax, as Transformer Engine's current scaling does: scale = 448 or 57344, the largest number of the
/// format, / max(amax, epsilon), and scale_inverse = 1 / scale, both rounded to float32.
///
/// The scale of an amax that is 0, infinite or NaN is 1. A quotient that is infinite in float32 becomes float32's
/// largest number. Then powers of two round down.
/// \param context Where to work.
/// \param format float8_e4m3fn or float8_e5m2, of nbit_data_type.
/// \param power_of_two 1 to round scales down to powers of two, otherwise 0.
/// \param epsilon The least amax, finite, 0 or more.
/// \param amax count float32.
/// \param count 0 or more.
/// \param scale Receives count float32.
/// \param scale_inverse Receives count float32.
NBIT_EXPORT int32_t nbit_scale_compute(nbit_context* context, int32_t format, int32_t power_of_two, float epsilon,
                                       const float* amax, int64_t count, float* scale, float* scale_inverse);

/// Moves the amax histories of delayed scaling on by one step and makes the scales of the next one.
///
/// Row 0 of a history is the amax of the step that ends. For each column, amax is that (most recent) or the largest one
/// of all rows, without NaN. Then rows 2 and above move up by one, row 0 becomes the last row, and 0 takes its place;
/// so the window has as many steps as rows. If amax is finite and above 0, scale = largest number of the format *
/// 2^-margin / amax, rounded to float32, or float32's largest number if that is infinite; otherwise scale stays. rule
/// says what is different. With max an infinite amax keeps a scale as it is until it has left the window.
/// \param context Where to work.
/// \param rule One of nbit_history_rule.
/// \param algorithm One of nbit_amax_algorithm.
/// \param format float8_e4m3fn or float8_e5m2, of nbit_data_type.
/// \param margin Finite; 0 is usual.
/// \param history Row-major [length, columns].
/// \param length 1 or more.
/// \param columns 0 or more: one a tensor.
/// \param scale columns float32.
NBIT_EXPORT int32_t nbit_amax_history_update(nbit_context* context, int32_t rule, int32_t algorithm, int32_t format,
                                             float margin, float* history, int64_t length, int64_t columns,
                                             float* scale);

/// Quantizes to float8 with one scale (NBIT_SCALING_TENSOR), as delayed and current scaling do: code = round(source *
/// scale).
///
/// The product is rounded to float32, then to the format, to nearest, ties to even. Numbers above the format's largest
/// one, infinities among them, get its code; NaN gets the code 0x7f; -0 keeps its sign. Nothing needs alignment, and
/// the result does not depend on the calling thread's floating-point mode.
/// \param context Where to work.
/// \param source_type float32, float16 or bfloat16, of nbit_data_type.
/// \param source Row-major [rows, columns].
/// \param rows 0 or more.
/// \param columns 0 or more.
/// \param format float8_e4m3fn or float8_e5m2, of nbit_data_type.
/// \param scale One float32 in the context's memory, finite and above 0, or null for 1.
/// \param codes Receives [rows, columns], or null.
/// \param transposed_codes Receives the same codes as [columns, rows], or null. One of the two is not null. Products
/// read codes either way and need no transposed ones.
/// \param scale_inverse Receives one float32 in the context's memory, 1 / scale, or null.
/// \param amax Null, or one float32 in the context's memory that becomes max(amax, max |source|), NaN left out: row 0
/// of a column of delayed scaling's history.
NBIT_EXPORT int32_t nbit_float8_quantize(nbit_context* context, int32_t source_type, const void* source, int64_t rows,
                                         int64_t columns, int32_t format, const float* scale, uint8_t* codes,
                                         uint8_t* transposed_codes, float* scale_inverse, float* amax);

/// Quantizes to MXFP8 as Transformer Engine does: scales are powers of two, rounded up, so that no block saturates.
///
/// The exponent e of a block is that of amax * (1 / 448) or (1 / 57344), rounded to float32 and then up to a power of
/// two, at least 2^-127 and at most 2^127; amax leaves NaN out. Codes are those of source * 2^-e by
/// nbit_float8_quantize's rule. Nothing needs alignment, and the result does not depend on the calling thread's
/// floating-point mode.
/// \param context Where to work.
/// \param source_type float32, float16 or bfloat16, of nbit_data_type.
/// \param source Row-major [rows, columns].
/// \param rows 0 or more.
/// \param columns 0 or more.
/// \param format float8_e4m3fn or float8_e5m2, of nbit_data_type.
/// \param scaling NBIT_SCALING_MXFP8_1X32, 32X1 or 32X32: rows that are summed over, columns that are summed over
/// (which are not transposed), or both.
/// \param codes Receives [rows, columns].
/// \param scales Receives float8_e8m0fnu, as many as nbit_scaling says.
NBIT_EXPORT int32_t nbit_mxfp8_quantize(nbit_context* context, int32_t source_type, const void* source, int64_t rows,
                                        int64_t columns, int32_t format, int32_t scaling, uint8_t* codes,
                                        uint8_t* scales);

/// Quantizes to float8 in blocks with float32 scales, as Transformer Engine's Float8BlockScaling does.
///
/// Scales of blocks are made of their amax as in nbit_scale_compute, but that an infinite quotient becomes the largest
/// number of the source's type. Codes follow nbit_float8_quantize's rule. Nothing needs alignment, and the result does
/// not depend on the calling thread's floating-point mode.
/// \param context Where to work.
/// \param source_type float32, float16 or bfloat16, of nbit_data_type.
/// \param source Row-major [rows, columns].
/// \param rows 0 or more.
/// \param columns 0 or more.
/// \param transpose 1 to quantize the transpose of the source, which is the operand whose columns are summed over: then
/// codes and scales are those of a matrix [columns, rows]. Otherwise 0.
/// \param format float8_e4m3fn or float8_e5m2, of nbit_data_type.
/// \param scaling NBIT_SCALING_FLOAT8_1X128 or NBIT_SCALING_FLOAT8_128X128.
/// \param power_of_two 1 to round scales down to powers of two, which is usual, otherwise 0.
/// \param epsilon The least amax, finite, 0 or more.
/// \param codes Receives rows * columns codes.
/// \param scale_inverses Receives float32, 1 / scale, as many as nbit_scaling says.
NBIT_EXPORT int32_t nbit_float8_block_quantize(nbit_context* context, int32_t source_type, const void* source,
                                               int64_t rows, int64_t columns, int32_t transpose, int32_t format,
                                               int32_t scaling, int32_t power_of_two, float epsilon, uint8_t* codes,
                                               float* scale_inverses);

/// Quantizes to NVFP4 (NBIT_SCALING_NVFP4_1X16) as Transformer Engine does.
///
/// With s = min(2688 / amax, float32's largest number), or 1 if amax or s is 0, the scale of a block is block_amax * (s
/// * (1 / 6)) rounded to float8_e4m3fn, and codes are source * min(1 / (scale * (1 / s)), float32's largest number)
/// rounded to float4_e2m1: every operation is rounded to float32 first. block_amax leaves NaN out. NaN gets the code of
/// 6; a negative number keeps its sign where it becomes 0. Nothing needs alignment, and the result does not depend on
/// the calling thread's floating-point mode.
/// \param context Where to work.
/// \param source_type float32, float16 or bfloat16, of nbit_data_type.
/// \param source Row-major [rows, columns].
/// \param rows 0 or more.
/// \param columns 0 or more.
/// \param transpose 1 to quantize the transpose of the source, otherwise 0, as in nbit_float8_block_quantize.
/// \param block_rows 1, or 16 for blocks of 16 x 16 elements, which is usual for weights: their 16 rows get the same
/// scale.
/// \param amax One float32 in the context's memory: that of the source by nbit_amax_compute.
/// \param rounding_seed Null to round codes to nearest, ties to even. Or one number in the context's memory: codes are
/// rounded up with the probability of what was cut off, by random numbers made of the seed and the element's index in
/// the codes' matrix, which is usual for gradients. Give another seed in every step.
/// \param codes Receives float4_e2m1fn_x2: rows of ceil(columns / 2) bytes, or of ceil(rows / 2) for the transpose. The
/// upper half of a row's last byte is 0 where its elements are odd in number.
/// \param scales Receives float8_e4m3fn, as many as nbit_scaling says.
NBIT_EXPORT int32_t nbit_nvfp4_quantize(nbit_context* context, int32_t source_type, const void* source, int64_t rows,
                                        int64_t columns, int32_t transpose, int64_t block_rows, const float* amax,
                                        const uint64_t* rounding_seed, uint8_t* codes, uint8_t* scales);

/// Transposes a matrix of bfloat16 and transforms its columns, now rows, by Transformer Engine's random Hadamard
/// transform: 16 elements after the other become (x * S * H) / 4.
///
/// S has the signs + + + - + - - - - - - + - + - - on its diagonal, H is Sylvester's Hadamard matrix. Sums are made in
/// float32 and rounded to bfloat16. Both operands of a product that is summed over the source's rows may be
/// transformed: but for rounding it stays what it was, and outliers are spread over 16 elements before NVFP4 quantizes
/// them.
/// \param context Where to work.
/// \param source Row-major [rows, columns] of bfloat16, of any alignment.
/// \param rows 0 or more.
/// \param columns 0 or more.
/// \param target Receives bfloat16, [columns, 16 * ceil(rows / 16)]: the last 16 elements of a row are those of the
/// source with zeros after them. Overlaps no other argument.
NBIT_EXPORT int32_t nbit_hadamard_transform(nbit_context* context, const uint16_t* source, int64_t rows,
                                            int64_t columns, uint16_t* target);

/// Makes numbers of a scaled matrix: target = round(code * scale), the product rounded to float32 first. For
/// NBIT_SCALING_NVFP4_1X16 scale is scale * amax * (1 / 2688), rounded after each product. Nothing but float32 scales
/// needs alignment, and the result does not depend on the calling thread's floating-point mode.
/// \param context Where to work.
/// \param format The codes' type, of nbit_data_type, as nbit_scaling says.
/// \param scaling One of nbit_scaling.
/// \param codes [rows, columns].
/// \param rows 0 or more.
/// \param columns 0 or more.
/// \param scales As nbit_scaling says.
/// \param amax One float32 for NBIT_SCALING_NVFP4_1X16, not read for others.
/// \param target_type float32, float16 or bfloat16, of nbit_data_type.
/// \param target Receives [rows, columns]; overlaps no other argument.
NBIT_EXPORT int32_t nbit_scaled_dequantize(nbit_context* context, int32_t format, int32_t scaling, const uint8_t* codes,
                                           int64_t rows, int64_t columns, const void* scales, const float* amax,
                                           int32_t target_type, void* target);

/// Multiplies scaled matrices: target[i, j] = round(sum of a[i, t] * b[j, t] over t + bias[j]), or that and what was in
/// target.
///
/// The products of a linear layer with weight [out, in], tokens x [rows, in] and gradient dy [rows, out]: y = (x,
/// weight), neither transposed; the gradient of x = (dy, weight transposed); the gradient of the weight = (dy
/// transposed, x transposed). With NBIT_SCALING_TENSOR all three read the same codes. With block scalings the last two
/// take operands that were quantized along the dimension that is summed over: MXFP8_32X1, which is given as transposed,
/// or the transposed codes of the others, which are not.
///
/// Sums of products of codes, which bfloat16 and float32 hold exactly, are made in float32, in an order that the
/// instruction set chooses. Scales of blocks are multiplied with their codes; if that is not exact, because they are
/// not powers of two, in float32. Sums are multiplied with the scale of the whole a, then of b, the bias is added, and
/// then the target, each rounded to float32; last comes the rounding to the target. Denormal numbers among codes *
/// scales and among their products may count as 0. Infinities and NaN propagate as in IEEE arithmetic. A result does
/// not depend on the number of threads. Nothing but float32 scales needs alignment, and the result does not depend on
/// the calling thread's floating-point mode.
/// \param context Where to work.
/// \param m 0 or more.
/// \param n 0 or more.
/// \param k 0 or more.
/// \param a_format The type of a's codes, of nbit_data_type, as nbit_scaling says.
/// \param a_scaling One of nbit_scaling.
/// \param a Codes, row-major [m, k], or [k, m] if a_transposed is 1.
/// \param a_scales The scales of a as it is stored.
/// \param a_amax One float32 for NBIT_SCALING_NVFP4_1X16, not read for others.
/// \param a_transposed 0 or 1.
/// \param b_format As a_format; the two may differ.
/// \param b_scaling As a_scaling; the two may differ.
/// \param b Codes, row-major [n, k], or [k, n] if b_transposed is 1.
/// \param b_scales The scales of b as it is stored.
/// \param b_amax As a_amax.
/// \param b_transposed 0 or 1.
/// \param bias_type float32, float16 or bfloat16, of nbit_data_type. Ignored without a bias.
/// \param bias Null, or n elements. Transformer Engine's float8 products take a bias in bfloat16 where the target is
/// float32: round it before.
/// \param accumulate 1 to add to target, as for gradients of several microbatches; 0 to overwrite it.
/// \param target_type float32, float16 or bfloat16, of nbit_data_type.
/// \param target [m, n]; overlaps no other argument.
NBIT_EXPORT int32_t nbit_scaled_multiply(nbit_context* context, int64_t m, int64_t n, int64_t k, int32_t a_format,
                                         int32_t a_scaling, const uint8_t* a, const void* a_scales, const float* a_amax,
                                         int32_t a_transposed, int32_t b_format, int32_t b_scaling, const uint8_t* b,
                                         const void* b_scales, const float* b_amax, int32_t b_transposed,
                                         int32_t bias_type, const void* bias, int32_t accumulate, int32_t target_type,
                                         void* target);

#ifdef __cplusplus
}
#endif

#endif
