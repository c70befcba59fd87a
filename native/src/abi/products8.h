// How products of int8 rows and an int8 weight are made: what their exports share.
#pragma once
#include "abi/activations8.h"
#include "abi/arguments.h"
#include "abi/work.h"
#include "abi/workspaces.h"
#include "cpu/gradients8.h"

#include <algorithm>
#include <optional>

namespace nbit
{

inline void require_terms8(const char* name, int64_t count)
{
    if (count > most_terms8)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                    "%s is %lld; allowed are 0 to %lld, whose sums of int8 products always fit in int32: split a "
                    "longer product and add the parts",
                    name, static_cast<long long>(count), static_cast<long long>(most_terms8));
}

// The threads for so many multiplications: waking one takes about as long as a million of them.
inline int32_t threads_for_product(const nbit_context& context, int64_t rows, int64_t columns, int64_t depth)
{
    constexpr double multiplications_worth_threads = 4 << 20;
    const double count = static_cast<double>(rows) * static_cast<double>(columns) * static_cast<double>(depth);
    return count > multiplications_worth_threads ? context.threads.load() : 1;
}

// Rows of x and columns of a product.
struct Range8 {
    int64_t begin, count;
};

// The way of all products: for one block of rows after the other, threads share pack(rows, panels) and then
// multiply(rows, columns).
template <class Pack, class Multiply>
void multiply_by_blocks8(int32_t threads, int64_t rows, int64_t columns, const Pack& pack, const Multiply& multiply)
{
    const int64_t blocks = ceil_divide(rows, block_rows8), height = blocks ? ceil_divide(rows, blocks) : 0;
    // Narrower parts where there are few, in steps of a register tile, so that every thread has some
    const int64_t share = ceil_divide(columns, 4 * static_cast<int64_t>(threads)), step = 32;
    const int64_t width = std::clamp(ceil_divide(share, step) * step, step, block_columns8);
    for (int64_t first = 0; first < rows; first += height) {
        const Range8 block{first, std::min(height, rows - first)};
        share_out(threads, panel_count8(block.count), 1, [&](int64_t begin, int64_t end) {
            pack(block, Panels8{begin, end});
        });
        share_out(threads, ceil_divide(columns, width), 1, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i)
                multiply(block, Range8{i * width, std::min(width, columns - i * width)});
        });
    }
}

// Rows of the largest block.
inline int64_t largest_block8(int64_t rows) { return std::min(rows, block_rows8); }

// What follows the int32 sums of codes[rows, columns] * weight^T.
struct Dequantization8 {
    const float* row_absmax;
    const float* column_absmax;
    const float* bias; // null for none
    int32_t target_type;
    void* target;
};

// target = round(codes * weight^T as numbers + bias), and where outliers are given their product beside it.
void multiply_dequantized8(const nbit_context& context, const int8_t* codes, int64_t rows, const Weight8& weight,
                           const Activations8* outliers, const Dequantization8& dequantization);

// Throws where a bias has a type that it may not have. Without a bias the type does not matter.
void require_bias_type(int32_t type, const void* bias);

// A bias in float32.
class Bias8
{
public:
    Bias8(int32_t type, const void* bias, int64_t count);
    // Null for none.
    const float* data() const noexcept { return numbers_ ? numbers_->data() : nullptr; }

private:
    std::optional<Scratch<float>> numbers_;
};

} // namespace nbit
