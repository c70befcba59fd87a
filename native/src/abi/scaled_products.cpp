#include "cpu/float8/scaled_products.h"
#include "abi/guard.h"
#include "abi/products8.h"
#include "abi/scaled_arguments.h"
#include "base/cpu.h"

using namespace nbit;

namespace
{

constexpr ScaledMatrixNames names_of_a{"a_format", "a_scaling", "a", "a_scales", "a_amax"};
constexpr ScaledMatrixNames names_of_b{"b_format", "b_scaling", "b", "b_scales", "b_amax"};

void multiply(const nbit_context& context, const ScaledProduct& product)
{
    const int64_t m = product.a.rows(), n = product.b.rows(), depth = product.a.depth();
    const ScaledProductKernel& kernel = scaled_products_of(instruction_set())(product);
    const int64_t height = largest_block8(m);
    const int32_t threads = threads_for_product(context, m, n, depth);
    const Scratch<std::byte> packed(kernel.packed_bytes(height, depth));
    const Workspaces spaces(threads, kernel.workspace_bytes(height));
    multiply_by_blocks8(
        threads, m, n,
        [&](const Range8& block, const Panels8& panels) {
            kernel.pack(product.a, block.begin, block.count, panels.first, panels.last, packed.data());
        },
        [&](const Range8& block, const Range8& columns) {
            const Workspaces::Lease space(spaces);
            kernel.multiply(product, packed.data(), {block.begin, block.count, columns.begin, columns.count},
                            space.data());
        });
}

} // namespace

int32_t nbit_scaled_multiply(nbit_context* context, int64_t m, int64_t n, int64_t k, int32_t a_format,
                             int32_t a_scaling, const uint8_t* a, const void* a_scales, const float* a_amax,
                             int32_t a_transposed, int32_t b_format, int32_t b_scaling, const uint8_t* b,
                             const void* b_scales, const float* b_amax, int32_t b_transposed, int32_t bias_type,
                             const void* bias, int32_t accumulate, int32_t target_type, void* target)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        require_scaling(names_of_a, a_format, a_scaling);
        require_scaling(names_of_b, b_format, b_scaling);
        const bool turns_a = checked_flag("a_transposed", a_transposed);
        const bool turns_b = checked_flag("b_transposed", b_transposed);
        const bool adds = checked_flag("accumulate", accumulate);
        require_bias_type(bias_type, bias);
        require_number_format("target_type", target_type);
        const Extent rows{"m", m}, columns{"n", n}, depth{"k", k};
        const Region to{"target", target, checked_bytes(rows, columns, data_type_size(target_type))};
        const Region offsets{"bias", bias, bias ? checked_bytes({"n", n}, data_type_size(bias_type)) : 0};
        const ScaledMatrix left{a_format, a_scaling, a, turns_a ? k : m, turns_a ? m : k, a_scales, a_amax};
        const ScaledMatrix right{b_format, b_scaling, b, turns_b ? k : n, turns_b ? n : k, b_scales, b_amax};
        const ScaledMatrixRegions from_a = checked_regions(names_of_a, left, rows, depth);
        const ScaledMatrixRegions from_b = checked_regions(names_of_b, right, columns, depth);
        require_memory({to});
        require_disjoint({to},
                         {from_a.codes, from_a.scales, from_a.amax, from_b.codes, from_b.scales, from_b.amax, offsets});
        if (to.bytes == 0) return;

        c.run(operation::MultiplyScaled{m, n, k, left, turns_a, right, turns_b, bias_type, bias, adds, target_type,
                                        target},
              [&] {
                  const Bias8 numbers(bias_type, bias, n);
                  multiply(c, {{left, turns_a}, {right, turns_b}, numbers.data(), adds, target_type, target});
              });
    });
}
