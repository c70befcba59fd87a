#include "abi/products8.h"
#include "abi/guard.h"
#include "base/cpu.h"
#include "cpu/cast.h"

using namespace nbit;

namespace nbit
{
namespace
{

// The arguments of a product that exports have in common.
struct CodesArguments {
    Region left, right;
};

CodesArguments checked_codes(const int8_t* a, const int8_t* b, int64_t m, int64_t n, int64_t k)
{
    const CodesArguments codes{{"a", a, checked_bytes(m, k, 1)}, {"b", b, checked_bytes(n, k, 1)}};
    require_terms8("k", k);
    require_memory({codes.left, codes.right});
    return codes;
}

// The memory of a thread for a part of a dequantized product.
class PartMemory8
{
public:
    static int64_t bytes(const Products8Table& kernels, int64_t rows, bool has_outliers)
    {
        const int64_t products = has_outliers ? 2 : 1;
        return products * product_bytes(rows) + kernels.workspace_bytes(rows);
    }
    PartMemory8(const Workspaces& spaces, int64_t rows) : lease_(spaces), product_bytes_(product_bytes(rows)) {}

    int32_t* sums() const noexcept { return reinterpret_cast<int32_t*>(lease_.data()); }
    float* addend() const noexcept { return reinterpret_cast<float*>(lease_.data() + product_bytes_); }
    std::byte* workspace(bool has_outliers) const noexcept
    {
        return lease_.data() + (has_outliers ? 2 : 1) * product_bytes_;
    }

private:
    static int64_t product_bytes(int64_t rows) { return rows * block_columns8 * static_cast<int64_t>(sizeof(float)); }

    Workspaces::Lease lease_;
    int64_t product_bytes_;
};

} // namespace

void multiply_dequantized8(const nbit_context& context, const int8_t* codes, int64_t rows, const Weight8& weight,
                           const Activations8* outliers, const Dequantization8& dequantization)
{
    const Products8Table& kernels = products8_of(instruction_set());
    const DequantizeProduct8 dequantize = kernels.dequantize.find(dequantization.target_type);
    const int64_t size = data_type_size(dequantization.target_type), depth = weight.columns;
    const Outliers8 apart = outliers ? outliers->outliers() : Outliers8{nullptr, 0};
    const bool has_outliers = apart.count > 0;
    const int64_t height = largest_block8(rows);
    const int32_t threads = threads_for_product(context, rows, weight.rows, depth);
    const Scratch<std::byte> packed(kernels.packed_bytes(height, depth));
    const Scratch<float> x_apart(height * apart.count);
    const Workspaces spaces(threads, PartMemory8::bytes(kernels, height, has_outliers));

    const auto pack = [&](const Range8& block, const Panels8& panels) {
        kernels.pack(codes + block.begin * depth, block.count, depth, panels, packed.data());
        if (!has_outliers) return;
        const int64_t begin = first_row_of_panel8(block.count, panels.first);
        const int64_t end = first_row_of_panel8(block.count, panels.last);
        outliers->copy_outliers(block.begin + begin, block.begin + end, x_apart.data() + begin * apart.count);
    };
    const auto multiply = [&](const Range8& block, const Range8& columns) {
        const PartMemory8 memory(spaces, height);
        const Weight8 part{weight.codes + columns.begin * depth, columns.count, depth};
        const float* absmax = dequantization.column_absmax + columns.begin;
        kernels.multiply(packed.data(), block.count, part, memory.sums(), block_columns8,
                         memory.workspace(has_outliers));
        if (has_outliers)
            kernels.multiply_outliers(x_apart.data(), block.count, apart, part, absmax, memory.addend(), block_columns8,
                                      memory.workspace(has_outliers));
        const Product8 product{memory.sums(),
                               block.count,
                               columns.count,
                               block_columns8,
                               dequantization.row_absmax + block.begin,
                               absmax,
                               dequantization.bias ? dequantization.bias + columns.begin : nullptr,
                               has_outliers ? memory.addend() : nullptr,
                               block_columns8};
        auto* target = static_cast<char*>(dequantization.target);
        dequantize(product, target + (block.begin * weight.rows + columns.begin) * size, weight.rows);
    };
    multiply_by_blocks8(threads, rows, weight.rows, pack, multiply);
}

void require_bias_type(int32_t type, const void* bias)
{
    if (bias) checked_kernel(products8_of(instruction_set()).dequantize, "bias_type", type);
}

Bias8::Bias8(int32_t type, const void* bias, int64_t count)
{
    if (!bias) return;
    const DefaultFloatEnvironment environment;
    casts_of(instruction_set())
        .find(type, NBIT_DATA_TYPE_FLOAT32)(bias, count, 1, numbers_.emplace(count).data(), false);
}

} // namespace nbit

int32_t nbit_int8_multiply(nbit_context* context, const int8_t* a, const int8_t* b, int64_t m, int64_t n, int64_t k,
                           int32_t* product)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        const CodesArguments codes = checked_codes(a, b, m, n, k);
        const Region to{"product", product, checked_bytes(m, n, sizeof(int32_t))};
        require_memory({to});
        require_disjoint({to}, {codes.left, codes.right});
        if (to.bytes == 0) return;

        c.run(operation::MultiplyInt8{a, b, m, n, k, product}, [&] {
            const Products8Table& kernels = products8_of(instruction_set());
            const int64_t height = largest_block8(m);
            const int32_t threads = threads_for_product(c, m, n, k);
            const Scratch<std::byte> packed(kernels.packed_bytes(height, k));
            const Workspaces spaces(threads, kernels.workspace_bytes(height));
            multiply_by_blocks8(
                threads, m, n,
                [&](const Range8& rows, const Panels8& panels) {
                    kernels.pack(a + rows.begin * k, rows.count, k, panels, packed.data());
                },
                [&](const Range8& rows, const Range8& columns) {
                    const Workspaces::Lease space(spaces);
                    kernels.multiply(packed.data(), rows.count, {b + columns.begin * k, columns.count, k},
                                     product + rows.begin * n + columns.begin, n, space.data());
                });
        });
    });
}

int32_t nbit_int8_product_dequantize(nbit_context* context, const int32_t* product, int64_t m, int64_t n,
                                     const float* row_absmax, const float* column_absmax, int32_t bias_type,
                                     const void* bias, int32_t target_type, void* target)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        const DequantizeProduct8 kernel =
            checked_kernel(products8_of(instruction_set()).dequantize, "target_type", target_type);
        require_bias_type(bias_type, bias);
        const int64_t size = data_type_size(target_type);
        const Region to{"target", target, checked_bytes(m, n, size)};
        const Region from{"product", product, checked_bytes(m, n, sizeof(int32_t))};
        const Region rows{"row_absmax", row_absmax, checked_bytes(m, sizeof(float))};
        const Region columns{"column_absmax", column_absmax, checked_bytes(n, sizeof(float))};
        const Region offsets{"bias", bias, bias ? checked_bytes({"n", n}, data_type_size(bias_type)) : 0};
        require_memory({to, from, rows, columns});
        require_disjoint({to}, {from, rows, columns, offsets});
        if (to.bytes == 0) return;

        const operation::DequantizeProduct8 all{product,   m,    n,           row_absmax, column_absmax,
                                                bias_type, bias, target_type, target};
        c.run(all, [&] {
            const Bias8 bias8(bias_type, bias, n);
            const int64_t grain = std::max<int64_t>(grain_elements / n, 1);
            share_out(threads_for(c, from.bytes, to.bytes), m, grain, [&](int64_t begin, int64_t end) {
                kernel({product + begin * n, end - begin, n, n, row_absmax + begin, column_absmax, bias8.data(),
                        nullptr, 0},
                       static_cast<char*>(target) + begin * n * size, n);
            });
        });
    });
}

int32_t nbit_int8_multiply_dequantize(nbit_context* context, const int8_t* a, const float* row_absmax, const int8_t* b,
                                      const float* column_absmax, int64_t m, int64_t n, int64_t k, int32_t bias_type,
                                      const void* bias, int32_t target_type, void* target)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        checked_kernel(products8_of(instruction_set()).dequantize, "target_type", target_type);
        require_bias_type(bias_type, bias);
        const CodesArguments codes = checked_codes(a, b, m, n, k);
        const Region to{"target", target, checked_bytes(m, n, data_type_size(target_type))};
        const Region rows{"row_absmax", row_absmax, checked_bytes(m, sizeof(float))};
        const Region columns{"column_absmax", column_absmax, checked_bytes(n, sizeof(float))};
        const Region offsets{"bias", bias, bias ? checked_bytes({"n", n}, data_type_size(bias_type)) : 0};
        require_memory({to, rows, columns});
        require_disjoint({to}, {codes.left, codes.right, rows, columns, offsets});
        if (to.bytes == 0) return;

        const operation::MultiplyDequantizeInt8 all{a, row_absmax, b,    column_absmax, m,     n,
                                                    k, bias_type,  bias, target_type,   target};
        c.run(all, [&] {
            const Bias8 bias8(bias_type, bias, n);
            multiply_dequantized8(c, a, m, {b, n, k}, nullptr,
                                  {row_absmax, column_absmax, bias8.data(), target_type, target});
        });
    });
}
