// libtorch as NBit sees it: functions found by name in the loaded library. libtorch's headers are in no NuGet package,
// and a symbol that is missing must become an error that names it, not a failure of the dynamic linker.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <type_traits>

namespace nbit::torch
{

// The ABI of at::Tensor and at::TensorBase: one pointer to a TensorImpl. The destructor is not trivial there, which
// makes the platform's ABI return it through memory; here it does nothing, so that a value is a borrowed or moved
// reference whose owner is stated where it is used.
struct Tensor {
    void* impl = nullptr;

    Tensor() = default;
    explicit Tensor(void* pointer) : impl(pointer) {}
    Tensor(const Tensor& other) : impl(other.impl) {}
    Tensor& operator=(const Tensor&) = delete;
    ~Tensor() {}
};

// The ABI of std::optional<at::Tensor>.
struct OptionalTensor {
    Tensor value;
    bool has_value = false;
};

// The ABI of c10::ArrayRef<at::Tensor>.
struct TensorList {
    const Tensor* data;
    size_t size;
};

constexpr int32_t strided_layout = 0; // c10::Layout::Strided
constexpr int32_t cpu_device = 0;     // c10::DeviceType::CPU

using TensorHook = std::function<Tensor(const Tensor&)>;

// The functions of torch.nn.init that fill a tensor: name, parameters
#define NBIT_TORCH_INITIALIZERS(X)                                                                                     \
    X(constant_, const Tensor*, void*)                                                                                 \
    X(dirac_, const Tensor*)                                                                                           \
    X(eye_, const Tensor*)                                                                                             \
    X(normal_, const Tensor*, double, double)                                                                          \
    X(trunc_normal_, const Tensor*, double, double, double, double)                                                    \
    X(ones_, const Tensor*)                                                                                            \
    X(orthogonal_, const Tensor*, double)                                                                              \
    X(sparse_, const Tensor*, double, double)                                                                          \
    X(uniform_, const Tensor*, double, double)                                                                         \
    X(kaiming_normal_, const Tensor*, double, int64_t, int64_t)                                                        \
    X(kaiming_uniform_, const Tensor*, double, int64_t, int64_t)                                                       \
    X(xavier_normal_, const Tensor*, double)                                                                           \
    X(xavier_uniform_, const Tensor*, double)                                                                          \
    X(zeros_, const Tensor*)

// name, type, symbol (as the Itanium C++ ABI mangles it)
#define NBIT_TORCH_SYMBOLS(X)                                                                                          \
    /* at::Tensor at::_ops::linear::call(const Tensor&, const Tensor&, const std::optional<Tensor>&) */                \
    X(linear, Tensor (*)(const Tensor&, const Tensor&, const OptionalTensor&),                                         \
      "_ZN2at4_ops6linear4callERKNS_6TensorES4_RKSt8optionalIS2_E")                                                    \
    /* void at::_ops::_amp_foreach_non_finite_check_and_unscale_::call(ArrayRef<Tensor>, Tensor&, const Tensor&) */    \
    X(unscale_gradients, void (*)(TensorList, Tensor&, const Tensor&),                                                 \
      "_ZN2at4_ops42_amp_foreach_non_finite_check_and_unscale_4callEN3c108ArrayRefINS_6TensorEEERS4_RKS4_")            \
    /* Tensor& at::_ops::_amp_update_scale_::call(Tensor&, Tensor&, const Tensor&, double, double, int64_t) */         \
    X(update_scale, Tensor& (*)(Tensor&, Tensor&, const Tensor&, double, double, int64_t),                             \
      "_ZN2at4_ops18_amp_update_scale_4callERNS_6TensorES3_RKS2_ddl")                                                  \
    /* unsigned at::TensorBase::_register_hook(std::function<TensorBase(const TensorBase&)>) const */                  \
    X(register_hook, unsigned (*)(const Tensor*, TensorHook),                                                          \
      "_ZNK2at10TensorBase14_register_hookESt8functionIFS0_RKS0_EE")                                                   \
    /* void at::TensorBase::set_data(const TensorBase&) const */                                                       \
    X(set_data, void (*)(const Tensor*, const Tensor&), "_ZNK2at10TensorBase8set_dataERKS0_")                          \
    /* at::autocast */                                                                                                 \
    X(is_autocast_enabled, bool (*)(int8_t), "_ZN2at8autocast19is_autocast_enabledEN3c1010DeviceTypeE")                \
    X(set_autocast_enabled, void (*)(int8_t, bool), "_ZN2at8autocast20set_autocast_enabledEN3c1010DeviceTypeEb")       \
    X(get_autocast_dtype, int8_t (*)(int8_t), "_ZN2at8autocast18get_autocast_dtypeEN3c1010DeviceTypeE")                \
    X(set_autocast_dtype, void (*)(int8_t, int8_t),                                                                    \
      "_ZN2at8autocast18set_autocast_dtypeEN3c1010DeviceTypeENS1_10ScalarTypeE")                                       \
    X(is_autocast_cache_enabled, bool (*)(), "_ZN2at8autocast25is_autocast_cache_enabledEv")                           \
    X(set_autocast_cache_enabled, void (*)(bool), "_ZN2at8autocast26set_autocast_cache_enabledEb")                     \
    X(increment_nesting, int (*)(), "_ZN2at8autocast17increment_nestingEv")                                            \
    X(decrement_nesting, int (*)(), "_ZN2at8autocast17decrement_nestingEv")                                            \
    X(clear_cache, void (*)(), "_ZN2at8autocast11clear_cacheEv")                                                       \
    /* c10 */                                                                                                          \
    X(is_grad_enabled, bool (*)(), "_ZN3c108GradMode10is_enabledEv")                                                   \
    X(set_default_dtype, void (*)(uint16_t), "_ZN3c1017set_default_dtypeEN6caffe28TypeMetaE")                          \
    /* libtorch's stable C ABI */                                                                                      \
    X(new_uninitialized_tensor, int32_t (*)(Tensor**), "aoti_torch_new_uninitialized_tensor")                          \
    X(delete_tensor, int32_t (*)(Tensor*), "aoti_torch_delete_tensor_object")                                          \
    X(new_reference, int32_t (*)(Tensor*, Tensor**), "aoti_torch_new_tensor_handle")                                   \
    X(get_data_ptr, int32_t (*)(Tensor*, void**), "aoti_torch_get_data_ptr")                                           \
    X(get_layout, int32_t (*)(Tensor*, int32_t*), "aoti_torch_get_layout")                                             \
    X(get_dim, int32_t (*)(Tensor*, int64_t*), "aoti_torch_get_dim")                                                   \
    X(get_sizes, int32_t (*)(Tensor*, int64_t**), "aoti_torch_get_sizes")                                              \
    X(get_strides, int32_t (*)(Tensor*, int64_t**), "aoti_torch_get_strides")                                          \
    X(get_numel, int32_t (*)(Tensor*, int64_t*), "aoti_torch_get_numel")                                               \
    X(get_dtype, int32_t (*)(Tensor*, int32_t*), "aoti_torch_get_dtype")                                               \
    X(get_device_type, int32_t (*)(Tensor*, int32_t*), "aoti_torch_get_device_type")                                   \
    X(parallel_for, int32_t (*)(int64_t, int64_t, int64_t, void (*)(int64_t, int64_t, void*), void*),                  \
      "torch_parallel_for")                                                                                            \
    /* LibTorchSharp */                                                                                                \
    X(sizes, void (*)(const Tensor*, int64_t* (*)(size_t)), "THSTensor_sizes")                                         \
    /* data, deleter, sizes, dimensions, scalar type, dtype, device type, device index, requires grad */               \
    X(from_memory,                                                                                                     \
      Tensor* (*)(void*, void (*)(void*), const int64_t*, int32_t, int8_t, int8_t, int32_t, int32_t, bool),            \
      "THSTensor_new")                                                                                                 \
    /* tensor, type, device type, device index, copy, non-blocking */                                                  \
    X(to_type_and_device, Tensor* (*)(const Tensor*, int8_t, int32_t, int32_t, bool, bool),                            \
      "THSTensor_to_type_and_device")                                                                                  \
    X(set_grad, void (*)(bool), "THSAutograd_setGrad")                                                                 \
    X(new_inference_mode, void* (*)(bool), "THSAutograd_getInferenceModeGuard")                                        \
    X(delete_inference_mode, void (*)(void*), "THSAutograd_deleteInferenceModeGuard")

struct Library {
#define NBIT_TORCH_MEMBER(name, type, symbol) std::type_identity_t<type> name;
    NBIT_TORCH_SYMBOLS(NBIT_TORCH_MEMBER)
#undef NBIT_TORCH_MEMBER

    struct {
#define NBIT_TORCH_INITIALIZER(name, ...) void (*name)(__VA_ARGS__);
        NBIT_TORCH_INITIALIZERS(NBIT_TORCH_INITIALIZER)
#undef NBIT_TORCH_INITIALIZER
    } initializers;

    int32_t (*get_current_cuda_stream)(int32_t, void**); // null in builds for the CPU
    void* undefined;                                     // the TensorImpl of a tensor that is not defined
};

// Throws where nbit_torch_initialize has not succeeded.
const Library& library();

// Null where nbit_torch_initialize has not succeeded.
const Library* library_or_null() noexcept;

} // namespace nbit::torch
