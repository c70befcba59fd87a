#include "abi/guard.h"
#include "abi/products8.h"
#include "base/cpu.h"

using namespace nbit;

namespace
{

// The weight of a layer.
struct WeightArguments {
    Region codes, absmax;
};

WeightArguments checked_weight(const int8_t* codes, const float* row_absmax, int64_t out_features, int64_t in_features)
{
    const WeightArguments weight{{"codes", codes, checked_bytes(out_features, in_features, 1)},
                                 {"row_absmax", row_absmax, checked_bytes(out_features, sizeof(float))}};
    require_memory({weight.codes, weight.absmax});
    return weight;
}

} // namespace

int32_t nbit_linear8_forward(nbit_context* context, const int8_t* codes, const float* row_absmax, int64_t out_features,
                             int64_t in_features, int32_t x_type, const void* x, int64_t rows, float threshold,
                             int32_t bias_type, const void* bias, void* y)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        checked_kernel(products8_of(instruction_set()).dequantize, "x_type", x_type);
        require_bias_type(bias_type, bias);
        const WeightArguments weight = checked_weight(codes, row_absmax, out_features, in_features);
        require_terms8("in_features", in_features);
        const int64_t size = data_type_size(x_type);
        const Region from{"x", x, checked_bytes(rows, in_features, size)};
        const Region to{"y", y, checked_bytes(rows, out_features, size)};
        const Region offsets{"bias", bias,
                             bias ? checked_bytes({"out_features", out_features}, data_type_size(bias_type)) : 0};
        require_threshold(threshold);
        require_memory({from, to});
        require_disjoint({to}, {weight.codes, weight.absmax, from, offsets});
        if (to.bytes == 0) return;

        const operation::Linear8Forward all{codes, row_absmax, out_features, in_features, x_type, x,
                                            rows,  threshold,  bias_type,    bias,        y};
        c.run(all, [&] {
            const Bias8 bias8(bias_type, bias, out_features);
            const Activations8 activations(c, {x_type, x, rows, in_features}, threshold);
            multiply_dequantized8(c, activations.codes(), rows, {codes, out_features, in_features}, &activations,
                                  {activations.row_absmax(), row_absmax, bias8.data(), x_type, y});
        });
    });
}

int32_t nbit_linear8_backward(nbit_context* context, const int8_t* codes, const float* row_absmax, int64_t out_features,
                              int64_t in_features, int32_t y_type, const void* grad_y, int64_t rows, void* grad_x)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        const Gradients8Table& kernels = gradients8_of(instruction_set());
        const PackGradient8 pack_rows = checked_kernel(kernels.pack, "y_type", y_type);
        const MultiplyGradient8 multiply_rows = kernels.multiply.find(y_type);
        const WeightArguments weight = checked_weight(codes, row_absmax, out_features, in_features);
        const int64_t size = data_type_size(y_type);
        const Region from{"grad_y", grad_y, checked_bytes(rows, out_features, size)};
        const Region to{"grad_x", grad_x, checked_bytes(rows, in_features, size)};
        require_memory({from, to});
        require_disjoint({to}, {weight.codes, weight.absmax, from});
        if (to.bytes == 0) return;

        const operation::Linear8Backward all{codes,  row_absmax, out_features, in_features,
                                             y_type, grad_y,     rows,         grad_x};
        c.run(all, [&] {
            const int64_t height = largest_block8(rows);
            const int32_t threads = threads_for_product(c, rows, out_features, in_features);
            const Scratch<std::byte> packed(height * out_features * packed_gradient_bytes8);
            const Workspaces spaces(threads, kernels.workspace_bytes(height));
            multiply_by_blocks8(
                threads, rows, in_features,
                [&](const Range8& block, const Panels8& panels) {
                    pack_rows(static_cast<const char*>(grad_y) + block.begin * out_features * size, block.count,
                              out_features, panels, packed.data());
                },
                [&](const Range8& block, const Range8& columns) {
                    const Workspaces::Lease space(spaces);
                    multiply_rows(packed.data(), block.count,
                                  {codes + columns.begin, out_features, columns.count, in_features, row_absmax},
                                  static_cast<char*>(grad_x) + (block.begin * in_features + columns.begin) * size,
                                  in_features, space.data());
                });
        });
    });
}
