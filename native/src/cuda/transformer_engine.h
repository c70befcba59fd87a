// libtransformer_engine.so: its functions, and objects that own its handles.
#pragma once
#include "cuda/launch.h"
#include "cuda/transformer_engine_functions.h"

#include <initializer_list>
#include <memory>

namespace nbit::cuda
{

class TransformerEngine : public Allocated, public TransformerEngineFunctions
{
public:
    // Throws where it is not found, or is of another ABI.
    TransformerEngine(const Runtime& runtime, const String& path_in_code);

    const String& summary() const noexcept { return summary_; }

private:
    void check_version(const std::optional<Version>& version);

    Library library_, nvrtc_;
    String summary_;
};

namespace te
{

// Throws for a type that Transformer Engine does not have.
Type type_of(int32_t data_type);

// An NVTETensor: describes memory of others.
class Tensor
{
public:
    explicit Tensor(const TransformerEngine& engine, ScalingMode mode = ScalingMode::per_tensor);
    ~Tensor() { engine_.destroy_tensor.quietly(handle_); }
    Tensor(const Tensor&) = delete;
    Tensor& operator=(const Tensor&) = delete;

    Handle handle() const noexcept { return handle_; }
    // Memory that the functions that take the tensor as an output write.
    void set(TensorParameter parameter, const void* data, Type type, const Shape& shape);
    void set(TensorParameter parameter, const void* data, Type type, std::initializer_list<int64_t> extents);
    // Throws where this version has no such scales.
    void set_with_swizzled_scales();

    Shape shape() const { return engine_.tensor_shape(handle_); }
    Type type() const { return engine_.tensor_type(handle_); }
    void* data() const { return engine_.tensor_data(handle_); }

private:
    const TransformerEngine& engine_;
    Handle handle_;
};

// set(), whose exception says that this version does not know what is to be set.
template <class Set> void set_if_known(const Set& set)
{
    try {
        set();
    } catch (const Error& error) {
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND, "this Transformer Engine cannot do it: %s", error.what());
    }
}

// An NVTEQuantizationConfig.
class QuantizationConfig
{
public:
    explicit QuantizationConfig(const TransformerEngine& engine)
        : engine_(engine), handle_(engine.create_quantization_config())
    {
    }
    ~QuantizationConfig() { engine_.destroy_quantization_config.quietly(handle_); }
    QuantizationConfig(const QuantizationConfig&) = delete;
    QuantizationConfig& operator=(const QuantizationConfig&) = delete;

    Handle handle() const noexcept { return handle_; }
    void set(QuantizationAttribute attribute, bool value) { set_bytes(attribute, uint8_t{value}); }
    void set(QuantizationAttribute attribute, float value) { set_bytes(attribute, value); }
    void set(QuantizationAttribute attribute, const Tensor& tensor) { set_bytes(attribute, tensor.handle()); }

private:
    template <class T> void set_bytes(QuantizationAttribute attribute, const T& value)
    {
        set_if_known([&] { engine_.set_quantization_config_attribute(handle_, attribute, &value, sizeof(value)); });
    }

    const TransformerEngine& engine_;
    Handle handle_;
};

// An NVTEMatmulConfig.
class MatmulConfig
{
public:
    explicit MatmulConfig(const TransformerEngine& engine) : engine_(engine), handle_(engine.create_matmul_config()) {}
    ~MatmulConfig() { engine_.destroy_matmul_config.quietly(handle_); }
    MatmulConfig(const MatmulConfig&) = delete;
    MatmulConfig& operator=(const MatmulConfig&) = delete;

    Handle handle() const noexcept { return handle_; }
    void set(MatmulAttribute attribute, bool value) { set_bytes(attribute, uint8_t{value}); }
    void set(MatmulAttribute attribute, int32_t value) { set_bytes(attribute, value); }
    void set(MatmulAttribute attribute, const Tensor& tensor) { set_bytes(attribute, tensor.handle()); }

private:
    template <class T> void set_bytes(MatmulAttribute attribute, const T& value)
    {
        set_if_known([&] { engine_.set_matmul_config_attribute(handle_, attribute, &value, sizeof(value)); });
    }

    const TransformerEngine& engine_;
    Handle handle_;
};

// target[columns, rows] = the transpose of source[rows, columns].
void transpose(const TransformerEngine& engine, Type type, const void* source, int64_t rows, int64_t columns,
               void* target, Stream stream);

// The bytes of a tensor of such a shape; throws where they cannot be counted.
int64_t byte_count(Type type, const Shape& shape);

// The workspace protocol of norms and of gradients of biases: a first call(workspace) with an empty tensor writes the
// shape and type that it needs there, a second one with memory works.
template <class Call> void with_workspace(const TransformerEngine& engine, const Launch& launch, const Call& call)
{
    Tensor workspace(engine);
    call(workspace.handle());
    const Shape shape = workspace.shape();
    const Type type = workspace.type();
    const int64_t bytes = byte_count(type, shape);
    if (bytes == 0) return call(workspace.handle());
    const DeviceScratch<char> memory(launch, bytes);
    workspace.set(TensorParameter::rowwise_data, memory.data(), type, shape);
    call(workspace.handle());
}

} // namespace te

} // namespace nbit::cuda
