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
};

/// Where a context works.
enum nbit_device_kind {
    NBIT_DEVICE_KIND_CPU = 0,
    NBIT_DEVICE_KIND_CUDA = 1,
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

#ifdef __cplusplus
}
#endif

#endif
