// The functions of libtransformer_engine.so that NBit calls.
#pragma once
#include "cuda/foreign_function.h"
#include "cuda/transformer_engine_types.h"

namespace nbit::cuda
{

struct TransformerEngineFunctions {
    ForeignFunction<te::Handle(te::ScalingMode)> create_tensor;
    ForeignFunction<void(te::Handle)> destroy_tensor;
    ForeignFunction<void(te::Handle*, te::TensorParameter, const te::BasicTensor*)> set_tensor_param;
    ForeignFunction<void(te::Handle, te::TensorParameter, const void*, size_t)> set_tensor_param_v2;
    ForeignFunction<te::Shape(const size_t*, size_t)> make_shape;
    ForeignFunction<te::Shape(te::Handle)> tensor_shape;
    ForeignFunction<te::Type(te::Handle)> tensor_type;
    ForeignFunction<void*(te::Handle)> tensor_data;
    ForeignFunction<te::Handle()> create_quantization_config;
    ForeignFunction<void(te::Handle, te::QuantizationAttribute, const void*, size_t)> set_quantization_config_attribute;
    ForeignFunction<void(te::Handle)> destroy_quantization_config;
    ForeignFunction<te::Handle()> create_matmul_config;
    ForeignFunction<void(te::Handle, te::MatmulAttribute, const void*, size_t)> set_matmul_config_attribute;
    ForeignFunction<void(te::Handle)> destroy_matmul_config;

    // visit(function, its symbol, since which version), for all functions.
    template <class Visit> void for_each_function(Visit&& visit)
    {
        visit(create_tensor, "nvte_create_tensor", "2.0");
        visit(destroy_tensor, "nvte_destroy_tensor", "2.0");
        visit(set_tensor_param, "nvte_set_tensor_param", "2.0");
        visit(set_tensor_param_v2, "nvte_set_tensor_param_v2", "2.12");
        visit(make_shape, "nvte_make_shape", "2.4");
        visit(tensor_shape, "nvte_tensor_shape", "2.0");
        visit(tensor_type, "nvte_tensor_type", "2.0");
        visit(tensor_data, "nvte_tensor_data", "2.0");
        visit(create_quantization_config, "nvte_create_quantization_config", "2.2");
        visit(set_quantization_config_attribute, "nvte_set_quantization_config_attribute", "2.2");
        visit(destroy_quantization_config, "nvte_destroy_quantization_config", "2.2");
        visit(create_matmul_config, "nvte_create_matmul_config", "2.8");
        visit(set_matmul_config_attribute, "nvte_set_matmul_config_attribute", "2.8");
        visit(destroy_matmul_config, "nvte_destroy_matmul_config", "2.8");
    }
};

} // namespace nbit::cuda
