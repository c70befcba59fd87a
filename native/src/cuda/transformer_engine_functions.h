// The functions of libtransformer_engine.so that NBit calls.
#pragma once
#include "cuda/runtime_functions.h"
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
    ForeignFunction<void(te::Handle, te::Handle, Stream)> compute_amax;
    ForeignFunction<void(te::Handle, te::Handle, Stream)> compute_scale_from_amax;
    ForeignFunction<void(te::Handle, te::Handle, te::Handle, te::Handle, const char*, te::Type, float, Stream)>
        update_history;
    ForeignFunction<void(te::Handle, const te::HandleVector*, const te::HandleVector*, const char*, te::Type, float,
                         Stream)>
        update_histories;
    ForeignFunction<void(te::Handle, te::Handle, te::Handle, Stream)> quantize;
    ForeignFunction<void(te::Handle, te::Handle, Stream)> dequantize, transpose, swizzle_scaling_factors;
    ForeignFunction<void(int32_t, int32_t, const float*, te::Handle, te::Handle, const float*, te::Handle, te::Handle,
                         te::Handle, te::Handle, Stream)>
        multiply;

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
        visit(compute_amax, "nvte_compute_amax", "2.2");
        visit(compute_scale_from_amax, "nvte_compute_scale_from_amax", "2.2");
        visit(update_history, "nvte_delayed_scaling_recipe_amax_and_scale_update", "1.x");
        visit(update_histories, "nvte_delayed_scaling_recipe_amax_and_scale_update_after_reduction", "1.x");
        visit(quantize, "nvte_quantize_v2", "2.3");
        visit(dequantize, "nvte_dequantize", "2.0");
        visit(transpose, "nvte_transpose", "1.x");
        visit(swizzle_scaling_factors, "nvte_swizzle_scaling_factors", "2.0");
        visit(multiply, "nvte_cublas_gemm_v2", "2.8");
    }
};

} // namespace nbit::cuda
