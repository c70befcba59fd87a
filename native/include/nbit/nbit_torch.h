/// The C ABI of libnbit_torch: what must talk to libtorch and TorchSharp. The conventions are those of nbit.h; failures
/// are reported through nbit_error_message.
///
/// The library names no symbol of libtorch at link time: nbit_torch_initialize looks each one up and says what a
/// libtorch of another version lacks. It also exports the functions of LibTorchSharp that NBit stands in for (see
/// native/src/torch/interposed.cpp); those belong to LibTorchSharp's ABI and are not declared here.
#ifndef NBIT_NBIT_TORCH_H
#define NBIT_NBIT_TORCH_H

#include "nbit.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Finds libtorch and makes its thread pool libnbit's. Must succeed before any other function here is used; later calls
/// do nothing.
/// \param libtorchsharp The operating system's handle of the loaded libLibTorchSharp.
NBIT_EXPORT int32_t nbit_torch_initialize(void* libtorchsharp);

/// How often TorchSharp's calls went through NBit since the process began, over all threads.
/// \param linear Receives the calls of THSNN_functional_linear.
/// \param grad_mode Receives the calls of THSAutograd_setGrad.
NBIT_EXPORT int32_t nbit_torch_interposed_count(int64_t* linear, int64_t* grad_mode);

/// Begins an autocast region of libtorch on this thread.
/// \param device_type libtorch's DeviceType: 0 CPU, 1 CUDA.
/// \param data_type float16 or bfloat16, as nbit_data_type.
/// \param enabled 1 to cast, 0 for a region in which nothing is cast.
/// \param cache_enabled 1 to keep the casts of float32 leaves that require grad until the outermost region ends.
/// \param previous Receives what nbit_torch_autocast_exit needs to restore the state before.
NBIT_EXPORT int32_t nbit_torch_autocast_enter(int32_t device_type, int32_t data_type, int32_t enabled,
                                              int32_t cache_enabled, int64_t* previous);

/// Ends the autocast region that this thread began last.
/// \param previous What nbit_torch_autocast_enter gave for it.
NBIT_EXPORT int32_t nbit_torch_autocast_exit(int64_t previous);

/// libtorch's autocast state on this thread.
/// \param device_type libtorch's DeviceType: 0 CPU, 1 CUDA.
/// \param data_type Receives the dtype that casts go to, as nbit_data_type.
/// \param enabled Receives 1 inside an enabled region, else 0.
/// \param cache_enabled Receives 1 where casts may be kept, else 0.
NBIT_EXPORT int32_t nbit_torch_autocast_query(int32_t device_type, int32_t* data_type, int32_t* enabled,
                                              int32_t* cache_enabled);

/// Sets libtorch's default floating-point dtype, which TorchSharp's own setting does not reach. Process-wide.
/// \param data_type float16, bfloat16, float32 or float64, as nbit_data_type.
NBIT_EXPORT int32_t nbit_torch_default_dtype_set(int32_t data_type);

/// Makes the functions of torch.nn.init leave tensors as they are on this thread: for modules whose weights are loaded
/// afterwards. Takes effect for those that TorchSharp had not called before NBit was there.
/// \param skip 1 to leave tensors as they are, 0 to fill them.
/// \param previous Receives what was set before.
NBIT_EXPORT int32_t nbit_torch_initializers_skip(int32_t skip, int32_t* previous);

/// Puts off the initializer of matrices that linear layers use (kaiming_uniform_ of two dimensions) on this thread: the
/// memory of such a tensor is not touched until nbit_torch_initializer_run, so that a quantizing mode can initialize
/// weights one at a time. Goes before nbit_torch_initializers_skip.
/// \param defer 1 to put off, 0 to run initializers at once.
/// \param previous Receives what was set before.
NBIT_EXPORT int32_t nbit_torch_initializers_defer(int32_t defer, int32_t* previous);

/// Runs the initializer that was put off for a tensor, which stays put off.
/// \param tensor An at::Tensor*.
/// \param target An at::Tensor* that is filled: `tensor` itself, or one of the same shape.
/// \param was_deferred Receives 1, or 0 where nothing was put off for the tensor, or it was filled since (by another
///                     initializer, or from a checkpoint); then nothing is done.
NBIT_EXPORT int32_t nbit_torch_initializer_run(void* tensor, void* target, int32_t* was_deferred);

/// Ends that an initializer is put off for a tensor, without running it. Does nothing where none is.
/// \param tensor An at::Tensor*.
NBIT_EXPORT int32_t nbit_torch_initializer_forget(void* tensor);

/// The address of a tensor's first element.
/// \param tensor An at::Tensor*, TorchSharp's Tensor.Handle; dense (strided) storage.
/// \param data Receives the address in the tensor's device memory; null for a tensor without elements.
NBIT_EXPORT int32_t nbit_torch_tensor_data(void* tensor, void** data);

/// The stream that libtorch issues work of this thread on. libtorch must be a build with CUDA.
/// \param device_index The CUDA device's ordinal.
/// \param stream Receives a cudaStream_t; null is the default stream.
NBIT_EXPORT int32_t nbit_torch_cuda_stream_get(int32_t device_index, void** stream);

/// The identity of a tensor: equal for all handles of one tensor, unique among living tensors.
/// \param tensor An at::Tensor*.
/// \param identity Receives the address of its TensorImpl.
NBIT_EXPORT int32_t nbit_torch_tensor_identity(void* tensor, void** identity);

/// Gives a tensor the data, dtype and shape of another one; the tensor's identity, handles and place in the autograd
/// graph stay. This is `tensor.data = other` of Python, which Module.to() uses there.
/// \param tensor An at::Tensor* whose data are replaced.
/// \param data An at::Tensor* that then shares its storage with `tensor`.
NBIT_EXPORT int32_t nbit_torch_tensor_set_data(void* tensor, void* data);

/// Makes another handle of a tensor: an own at::Tensor of the same TensorImpl.
/// \param tensor An at::Tensor*.
/// \param another Receives an at::Tensor*, which TorchSharp's Tensor may own.
NBIT_EXPORT int32_t nbit_torch_tensor_reference(void* tensor, void** another);

/// Computes a linear layer in NBit's place of libtorch's: y = x @ weight^T + bias for the weight that it was made for.
/// Called by the thread that runs the layer. A nonzero result means failure, whose message is nbit_error_set's.
/// \param state What was given with the function.
/// \param input An at::Tensor*, valid during the call.
/// \param weight An at::Tensor*, valid during the call: the tensor that was given as the weight.
/// \param bias An at::Tensor*, valid during the call; null for none.
/// \param result Receives an at::Tensor* that the caller owns.
typedef int32_t (*nbit_torch_linear_function)(void* state, void* input, void* weight, void* bias, void** result);

/// Says what a weight is after `Tensor.to(dtype, device)`, by which TorchSharp's Module.to replaces the parameters of a
/// layer. A nonzero result fails the conversion with nbit_error_set's message.
/// \param state What was given with the function.
/// \param converted An at::Tensor*, valid during the call: the elements in their new type, on their new device.
/// \param result Receives an at::Tensor* that takes its place and that the caller owns; null where `converted` is an
/// ordinary tensor.
typedef int32_t (*nbit_torch_convert_function)(void* state, void* converted, void** result);

/// Ends the use of a state; it is not used any more when this is called. Called once, by any thread.
typedef void (*nbit_torch_release_function)(void* state);

/// Makes a tensor over memory of the caller, with a function that TorchSharp's linear calls instead of libtorch's
/// wherever the tensor, or another one that shares its first element, is given as the weight.
/// \param data The memory, which is used until `release` is called. No other living tensor made here begins there.
/// \param data_type uint8, int8, float16, float32, float64 or bfloat16, of nbit_data_type.
/// \param sizes The shape: `dimensions` numbers, all above 0.
/// \param dimensions 1 or more.
/// \param linear Computes the layer.
/// \param convert Says what the weight is in another type or on another device.
/// \param release Called when the last tensor that shares the memory is gone.
/// \param state Given to all three.
/// \param tensor Receives an at::Tensor*, which TorchSharp's Tensor may own. Where this fails, nothing is released.
NBIT_EXPORT int32_t nbit_torch_linear_weight_create(void* data, int32_t data_type, const int64_t* sizes,
                                                    int32_t dimensions, nbit_torch_linear_function linear,
                                                    nbit_torch_convert_function convert,
                                                    nbit_torch_release_function release, void* state, void** tensor);

/// The state that a tensor was made with by nbit_torch_linear_weight_create.
/// \param tensor An at::Tensor*: that tensor, or one that shares its first element.
/// \param state Receives the state; null where the tensor is an ordinary one.
NBIT_EXPORT int32_t nbit_torch_linear_weight_state(void* tensor, void** state);

/// libtorch's linear, aten::linear, whatever the weight is.
/// \param input An at::Tensor*.
/// \param weight An at::Tensor*.
/// \param bias An at::Tensor*, or null.
/// \param result Receives an at::Tensor*, which TorchSharp's Tensor may own.
NBIT_EXPORT int32_t nbit_torch_linear(void* input, void* weight, void* bias, void** result);

/// Sees the gradient of a tensor in a backward pass and may replace it. A nonzero result fails the backward pass with
/// nbit_error_set's message.
/// \param state What was given with the function.
/// \param gradient An at::Tensor*, valid during the call; null where there is no gradient.
/// \param replacement Null, unless the function sets it to an at::Tensor* of the same shape and dtype for the caller.
typedef int32_t (*nbit_torch_gradient_function)(void* state, void* gradient, void** replacement);

/// Calls a function with the gradient of a tensor in each backward pass.
/// \param tensor An at::Tensor* that requires grad.
/// \param gradient Called with each gradient.
/// \param release Called when the graph of the tensor is gone.
/// \param state Given to both. Where this fails, nothing is released.
NBIT_EXPORT int32_t nbit_torch_gradient_hook(void* tensor, nbit_torch_gradient_function gradient,
                                             nbit_torch_release_function release, void* state);

/// Divides gradients by the loss scale and notes whether all are finite: each element is multiplied in place by
/// `inverse_scale`. This is libtorch's _amp_foreach_non_finite_check_and_unscale_.
/// \param gradients count at::Tensor*, all on one device.
/// \param count 0 or more.
/// \param found_inf An at::Tensor* with one float32 on that device: becomes 1 where an element is infinite or NaN.
/// \param inverse_scale An at::Tensor* with one float32 on that device.
NBIT_EXPORT int32_t nbit_torch_gradients_unscale(void* const* gradients, int64_t count, void* found_inf,
                                                 void* inverse_scale);

/// Moves the loss scale after a step: back by `backoff_factor` where an overflow was found, else up by `growth_factor`
/// after `growth_interval` steps without one. This is libtorch's _amp_update_scale_.
/// \param scale An at::Tensor* with one float32, changed in place.
/// \param growth_tracker An at::Tensor* with one int32: steps without overflow so far; changed in place.
/// \param found_inf An at::Tensor* with one float32, above 0 where an overflow was found.
/// \param growth_factor Above 1.
/// \param backoff_factor Below 1.
/// \param growth_interval 1 or more.
NBIT_EXPORT int32_t nbit_torch_scale_update(void* scale, void* growth_tracker, void* found_inf, double growth_factor,
                                            double backoff_factor, int64_t growth_interval);

/// A switch for the backward passes through the tensors that it is attached to.
typedef struct nbit_torch_backward_guard nbit_torch_backward_guard;

/// Creates a guard that does not allow a backward pass.
/// \param message What a backward pass that is not allowed fails with; UTF-8, copied.
/// \param guard Receives the guard; release it with nbit_torch_backward_guard_destroy.
NBIT_EXPORT int32_t nbit_torch_backward_guard_create(const char* message, nbit_torch_backward_guard** guard);

/// Releases a guard. Tensors that it is attached to keep what they need of it.
/// \param guard The guard; null is allowed and does nothing.
NBIT_EXPORT int32_t nbit_torch_backward_guard_destroy(nbit_torch_backward_guard* guard);

/// Allows backward passes from now on, or ends that. Calls nest.
/// \param guard The guard.
/// \param allowed 1 to allow, 0 to end what one call with 1 began.
NBIT_EXPORT int32_t nbit_torch_backward_guard_allow(nbit_torch_backward_guard* guard, int32_t allowed);

/// Makes a backward pass through a tensor fail while the guard does not allow it.
/// \param guard The guard.
/// \param tensor An at::Tensor* that requires grad.
NBIT_EXPORT int32_t nbit_torch_backward_guard_attach(nbit_torch_backward_guard* guard, void* tensor);

#ifdef __cplusplus
}
#endif

#endif
