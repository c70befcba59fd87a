#include "cpu/linear4.h"
#include "abi/arguments4.h"
#include "abi/guard.h"
#include "abi/work.h"
#include "abi/workspaces.h"
#include "base/cpu.h"
#include "cpu/cast.h"
#include "cpu/codes4.h"

#include <algorithm>

using namespace nbit;

namespace
{

struct OperandArguments {
    const char *type_name, *x_name, *y_name;
    int32_t type;
    const void* x;
    int64_t rows;
    int32_t bias_type;
    const void* bias;
    int32_t compute_type;
    void* y;
};

// So that the bytes of a workspace cannot overflow.
void require_feature_count(const Extent& features)
{
    constexpr int64_t most = int64_t{1} << 47;
    if (features.size > most)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT, "%s is %lld; at most %lld are allowed", features.name,
                    static_cast<long long>(features.size), static_cast<long long>(most));
}

void check(const operation::Linear4Weight& w, const OperandArguments& o, bool is_forward)
{
    const AbsmaxArguments absmax{w.absmax};
    require_quant_type(w.quant_type);
    require_power_of_two_blocksize(w.blocksize);
    absmax.require_complete();
    require_number_format(o.type_name, o.type);
    require_number_format("compute_type", o.compute_type);
    if (o.bias) require_number_format("bias_type", o.bias_type);
    const Extent out{"out_features", w.out_features}, in{"in_features", w.in_features}, rows{"rows", o.rows};
    require_feature_count(out);
    require_feature_count(in);
    const int64_t count = checked_bytes(out, in, 1), blocks = ceil_divide(count, w.blocksize);
    const int64_t size = data_type_size(o.type);
    const Region x{o.x_name, o.x, checked_bytes(rows, is_forward ? in : out, size)};
    const Region y{o.y_name, o.y, checked_bytes(rows, is_forward ? out : in, size)};
    const Region packed{"packed", w.packed, ceil_divide(count, 2)}, scales = absmax.scale_region(blocks);
    const Region bias{"bias", o.bias, o.bias ? checked_bytes(out, data_type_size(o.bias_type)) : 0};
    require_memory({x, y, packed, scales});
    require_disjoint(
        {y}, {x, packed, scales, absmax.code_region(blocks), absmax.book_region(), absmax.offset_region(), bias});
}

// For the CPU, without the bias. All has been checked.
Product4 product_of(const operation::Linear4Weight& w, const OperandArguments& o)
{
    const auto& table = w.quant_type == NBIT_QUANT_TYPE_NF4 ? Nf4::table : Fp4::table;
    const Weight4 weight{w.packed,    w.out_features, w.in_features,
                         w.blocksize, table.data(),   AbsmaxArguments{w.absmax}.scales()};
    return {weight, o.compute_type, o.type, o.x, o.rows, nullptr, o.y};
}

// to[i] = source[i] rounded to another type.
void round_numbers(int32_t source_type, const void* source, int64_t count, int32_t type, float* to)
{
    const CastTable& casts = casts_of(instruction_set());
    const CastKernel round = casts.find(source_type, type), widen = casts.find(type, NBIT_DATA_TYPE_FLOAT32);
    const int64_t size = data_type_size(source_type);
    constexpr int64_t step = 1024;
    const DefaultFloatEnvironment environment;
    for (int64_t i = 0; i < count; i += step) {
        const int64_t length = std::min(step, count - i);
        char rounded[step * sizeof(float)];
        round(static_cast<const char*>(source) + i * size, length, 1, rounded, false);
        widen(rounded, length, 1, to + i, false);
    }
}

// The threads that a product of so many terms should use. Measured: waking one takes about 30 us, in which one thread
// decodes half as many weights.
int32_t threads_for_terms(const nbit_context& context, int64_t rows, const Weight4& weight)
{
    constexpr int64_t terms_worth_threads = 1 << 20;
    const int64_t weights = weight.rows * weight.columns;
    return weights > terms_worth_threads / rows ? context.threads.load() : 1;
}

// Sums without terms: 0, or the bias.
void write_bias(const Product4& product, int64_t width)
{
    const CastTable& casts = casts_of(instruction_set());
    const CastKernel cast = casts.find(NBIT_DATA_TYPE_FLOAT32, product.type);
    const int64_t row_bytes = width * data_type_size(product.type);
    const DefaultFloatEnvironment environment;
    for (int64_t r = 0; r < product.rows; ++r) {
        auto* row = static_cast<char*>(product.y) + r * row_bytes;
        if (product.bias)
            cast(product.bias, width, 1, row, false);
        else
            std::fill_n(row, row_bytes, char{0});
    }
}

void multiply(const nbit_context& context, const Product4& product, bool is_forward)
{
    const Weight4& weight = product.weight;
    const int64_t depth = is_forward ? weight.columns : weight.rows;
    const int64_t width = is_forward ? weight.rows : weight.columns;
    if (product.rows == 0 || width == 0) return;
    if (depth == 0) return write_bias(product, width);
    // Parts differ by at most one row, so that one choice and one size serve all.
    const int64_t parts = ceil_divide(product.rows, most_product_rows), most_rows = ceil_divide(product.rows, parts);
    const int64_t size = data_type_size(product.type);
    const auto part_of = [&](int64_t first, int64_t end) {
        return product.part(first, end - first, depth, width, size);
    };
    const Linear4Table& table = linear4_of(instruction_set());
    const Product4 largest = part_of(0, most_rows);
    const Linear4Kernel& kernel = (is_forward ? table.forward : table.backward)(largest);
    const int32_t threads = threads_for_terms(context, most_rows, weight);
    const Scratch<std::byte> packed(kernel.packed_bytes(largest));
    const Workspaces workspaces(threads, kernel.workspace_bytes(largest));
    for (int64_t i = 0; i < parts; ++i) {
        const int64_t whole = product.rows / parts, longer = product.rows % parts;
        const int64_t first = i * whole + std::min(i, longer);
        const Product4 part = part_of(first, first + whole + (i < longer ? 1 : 0));
        share_out(threads, kernel.pack_parts(part), 1,
                  [&](int64_t begin, int64_t end) { kernel.pack(part, begin, end, packed.data()); });
        share_out(threads, width, kernel.grain, [&](int64_t begin, int64_t end) {
            const Workspaces::Lease workspace(workspaces);
            kernel.multiply(part, packed.data(), begin, end, workspace.data());
        });
    }
}

} // namespace

int32_t nbit_linear4_forward(nbit_context* context, int32_t quant_type, const uint8_t* packed, const float* absmax,
                             const uint8_t* absmax_codes, const float* absmax_book, const float* absmax_offset,
                             int64_t blocksize, int64_t out_features, int64_t in_features, int32_t x_type,
                             const void* x, int64_t rows, int32_t bias_type, const void* bias, int32_t compute_type,
                             void* y)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        const operation::BlockAbsmax scales{absmax, absmax_codes, absmax_book, absmax_offset};
        const operation::Linear4Weight weight{quant_type, packed, scales, blocksize, out_features, in_features};
        const OperandArguments operands{"x_type", "x", "y", x_type, x, rows, bias_type, bias, compute_type, y};
        check(weight, operands, true);
        c.run(operation::Linear4Forward{weight, x_type, x, rows, bias_type, bias, compute_type, y}, [&] {
            Product4 product = product_of(weight, operands);
            const Scratch<float> rounded_bias(bias ? out_features : 0);
            if (bias) {
                float* const numbers = rounded_bias.data();
                round_numbers(bias_type, bias, out_features, compute_type, numbers);
                product.bias = numbers;
            }
            multiply(c, product, true);
        });
    });
}

int32_t nbit_linear4_backward(nbit_context* context, int32_t quant_type, const uint8_t* packed, const float* absmax,
                              const uint8_t* absmax_codes, const float* absmax_book, const float* absmax_offset,
                              int64_t blocksize, int64_t out_features, int64_t in_features, int32_t y_type,
                              const void* grad_y, int64_t rows, int32_t compute_type, void* grad_x)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        const operation::BlockAbsmax scales{absmax, absmax_codes, absmax_book, absmax_offset};
        const operation::Linear4Weight weight{quant_type, packed, scales, blocksize, out_features, in_features};
        const OperandArguments operands{"y_type", "grad_y", "grad_x", y_type,       grad_y,
                                        rows,     0,        nullptr,  compute_type, grad_x};
        check(weight, operands, false);
        c.run(operation::Linear4Backward{weight, y_type, grad_y, rows, compute_type, grad_x},
              [&] { multiply(c, product_of(weight, operands), false); });
    });
}
