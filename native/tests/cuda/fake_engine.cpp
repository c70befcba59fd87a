#include "fake_engine.h"

#include <cstring>

namespace nbit::test
{
namespace
{

constexpr size_t quantization_attribute_bytes[] = {1, 4, 8, 0, 8, 1, 1, 1, 1, 1, 1};
constexpr size_t matmul_attribute_bytes[] = {8, 8, 1, 1, 8, 1, 4};

} // namespace

const FakeBasicTensor& FakeTensor::at(int32_t parameter) const
{
    const auto found = parameters.find(parameter);
    if (found == parameters.end()) throw std::runtime_error("a tensor lacks parameter " + std::to_string(parameter));
    return found->second;
}

FakeTensor& FakeEngine::tensor(void* handle) const
{
    const auto found = tensors_.find(handle);
    if (found == tensors_.end()) throw std::runtime_error("no tensor has this handle");
    return *found->second;
}

const FakeConfig& FakeEngine::config(void* handle) const
{
    const auto found = configs_.find(handle);
    if (found == configs_.end()) throw std::runtime_error("no config has this handle");
    return *found->second;
}

void FakeEngine::set_parameter(FakeTensor& tensor, int32_t parameter, const void* value, size_t bytes) const
{
    constexpr int32_t basic_parameters = 7, with_swizzled_scales = 7;
    if (parameter >= known_parameters) throw std::runtime_error("unknown tensor parameter");
    if (parameter < basic_parameters) {
        if (bytes != sizeof(FakeBasicTensor)) throw std::runtime_error("a basic tensor of another size");
        std::memcpy(&tensor.parameters[parameter], value, bytes);
    } else if (parameter == with_swizzled_scales && bytes == 1) {
        tensor.has_swizzled_scales = *static_cast<const uint8_t*>(value) == 1;
    } else {
        throw std::runtime_error("a tensor parameter that is not expected");
    }
}

bool FakeEngine::answer_for_tensors(const fake::Call& call)
{
    const std::string& name = call.function;
    if (name == "nvte_create_tensor") {
        auto created = std::make_unique<FakeTensor>();
        created->mode = call.integer("mode");
        call.give<void*>(created.get());
        tensors_[created.get()] = std::move(created);
    } else if (name == "nvte_destroy_tensor") {
        tensors_.erase(call.pointer("tensor"));
    } else if (name == "nvte_set_tensor_param") { // takes the address of the handle
        set_parameter(tensor(*call.pointer<void*>("tensor")), call.integer("param"), call.pointer("basic"),
                      sizeof(FakeBasicTensor));
    } else if (name == "nvte_set_tensor_param_v2") {
        set_parameter(tensor(call.pointer("tensor")), call.integer("param"), call.pointer("buf"), call.size("bytes"));
    } else if (name == "nvte_make_shape") {
        fake::Shape shape{};
        shape.dimensions = call.size("ndim");
        std::copy_n(call.pointer<size_t>("data"), shape.dimensions, shape.extents);
        call.give(shape);
    } else if (name == "nvte_tensor_shape") {
        call.give(tensor(call.pointer("tensor")).parameters[0].shape);
    } else if (name == "nvte_tensor_type") {
        call.give(tensor(call.pointer("tensor")).parameters[0].type);
    } else if (name == "nvte_tensor_data") {
        call.give(tensor(call.pointer("tensor")).parameters[0].data);
    } else {
        return false;
    }
    return true;
}

bool FakeEngine::answer_for_configs(const fake::Call& call)
{
    const std::string& name = call.function;
    const bool is_for_products = name.find("matmul") != std::string::npos;
    if (name.starts_with("nvte_create") && name.ends_with("_config")) {
        auto created = std::make_unique<FakeConfig>();
        created->is_for_products = is_for_products;
        call.give<void*>(created.get());
        configs_[created.get()] = std::move(created);
    } else if (name.starts_with("nvte_destroy") && name.ends_with("_config")) {
        if (config(call.pointer("config")).is_for_products != is_for_products)
            throw std::logic_error("a config is destroyed as one of another kind");
        configs_.erase(call.pointer("config"));
    } else if (name.ends_with("_config_attribute")) {
        const int32_t attribute = call.integer("attr");
        if (attribute >= (is_for_products ? 7 : known_quantization_attributes))
            throw std::runtime_error("Invalid NVTEQuantizationConfigAttribute (got " + std::to_string(attribute) + ")");
        const size_t bytes = (is_for_products ? matmul_attribute_bytes : quantization_attribute_bytes)[attribute];
        if (bytes != call.size("bytes")) throw std::runtime_error("an attribute of another size");
        const auto* value = call.pointer<unsigned char>("buf");
        configs_.at(call.pointer("config"))->attributes[attribute].assign(value, value + bytes);
    } else {
        return false;
    }
    return true;
}

FakeDevice::Work FakeEngine::answer(const fake::Call& call)
{
    if (answer_for_tensors(call) || answer_for_configs(call)) return {};
    return engine_work(*this, call);
}

} // namespace nbit::test
