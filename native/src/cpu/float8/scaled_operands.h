// How kernels read the operands of products of scaled matrices, and how they finish a row of the target.
#pragma once
#include "cpu/elements.h"
#include "cpu/float8/scaled_products.h"
#include "cpu/float8/scaled_rows.h"
#include "cpu/float8_tables.h"
#include "cpu/products8_tiles.h"

#include <algorithm>

namespace nbit
{
namespace
{

// The scales of blocks, along the rows of an operand, which may be the columns of the matrix.
class OperandScales
{
public:
    OperandScales(const ScaledMatrix& matrix, bool transposed)
        : matrix_(matrix), type_(scale_type_of(matrix.scaling)), across_(block_of(matrix.scaling).rows),
          along_(block_of(matrix.scaling).columns), step_across_(matrix.scale_columns()), step_along_(1)
    {
        if (!transposed) return;
        std::swap(across_, along_);
        std::swap(step_across_, step_along_);
    }

    // Whether there are any: a scale of the whole matrix belongs to the sums.
    bool exist() const { return matrix_.scaling != NBIT_SCALING_TENSOR; }

    // Rows with the same number have the same scales.
    int64_t block_of_row(int64_t row) const { return row / across_; }

    // to[i] = the scale of term first + i of a row.
    void read(int64_t row, int64_t first, int64_t count, float* to) const
    {
        const int64_t base = row / across_ * step_across_;
        for (int64_t i = 0; i < count;) {
            const int64_t block = (first + i) / along_, end = std::min(count, (block + 1) * along_ - first);
            std::fill(to + i, to + end, scale(base + block * step_along_));
            i = end;
        }
    }

private:
    float scale(int64_t index) const
    {
        switch (type_) {
        case NBIT_DATA_TYPE_FLOAT8_E8M0FNU:
            return to_float(load_element<Float8E8M0>(matrix_.scales, index));
        case NBIT_DATA_TYPE_FLOAT8_E4M3FN:
            return float8_values<Float8E4M3>.value[load_element<uint8_t>(matrix_.scales, index)];
        default:
            return load_element<float>(matrix_.scales, index);
        }
    }

    const ScaledMatrix& matrix_;
    nbit_data_type type_;
    int64_t across_, along_, step_across_, step_along_;
};

// The codes of an operand's rows. Where they are the columns of the matrix, they are transposed, 16 at a time.
class OperandCodes
{
public:
    static constexpr int64_t longest = 256; // stretch

    OperandCodes(const ScaledOperand& operand, TransposeBytes transpose) : operand_(operand), transpose_(transpose) {}

    // Those of terms [first, first + count) of a row; first is even. Valid until the next call.
    const uint8_t* read(int64_t row, int64_t first, int64_t count)
    {
        const ScaledMatrix& matrix = operand_.matrix;
        if (!operand_.transposed) return matrix.row(row) + (matrix.holds_pairs() ? first / 2 : first);
        if (row < row_ || row >= row_ + rows_ || first != first_ || count != count_) {
            row_ = row;
            rows_ = std::min(most_rows, operand_.rows() - row);
            first_ = first;
            count_ = count;
            matrix.holds_pairs() ? transpose_pairs() : transpose_codes();
        }
        return transposed_[row - row_];
    }

private:
    static constexpr int64_t most_rows = 16;

    void transpose_codes()
    {
        transpose_(operand_.matrix.row(first_) + row_, {count_, rows_, operand_.matrix.columns}, transposed_[0],
                   longest);
    }
    void transpose_pairs()
    {
        for (int64_t r = 0; r < rows_; ++r) {
            std::fill_n(transposed_[r], blocks_in(count_, 2), uint8_t{0});
            for (int64_t t = 0; t < count_; ++t) {
                const int64_t column = row_ + r;
                const int code = operand_.matrix.row(first_ + t)[column / 2] >> (column % 2 * 4) & 15;
                transposed_[r][t / 2] = static_cast<uint8_t>(transposed_[r][t / 2] | code << (t % 2 * 4));
            }
        }
    }

    const ScaledOperand& operand_;
    TransposeBytes transpose_;
    int64_t row_ = 0, rows_ = 0, first_ = 0, count_ = 0; // of what is transposed
    alignas(cache_line) uint8_t transposed_[most_rows][longest];
};

// Takes `count` sums of a row of the target, from a column on.
using FinishRow = void (*)(const ScaledProduct& product, int64_t row, int64_t column, int64_t count, const float* sums);

// An instruction set brings load(elements), store(target, tile, stream), spread(number), product and sum of tiles.
template <class Set, class T>
void finish_row(const ScaledProduct& product, int64_t row, int64_t column, int64_t count, const float* sums)
{
    constexpr int64_t size = Set::tile_size;
    const auto a_scale = Set::spread(product.a.matrix.common_scale());
    const auto b_scale = Set::spread(product.b.matrix.common_scale());
    T* const target = static_cast<T*>(product.target) + row * product.b.rows() + column;
    const auto floats = [](const float* x) { return Set::load(x); };
    for (int64_t i = 0; i < count; i += size) {
        const int64_t length = std::min(size, count - i);
        auto value = Set::product(Set::product(load_up_to<Set>(length, sums + i, floats), a_scale), b_scale);
        if (product.bias) value = Set::sum(value, load_up_to<Set>(length, product.bias + column + i, floats));
        if (product.accumulate)
            value = Set::sum(value, load_up_to<Set>(length, target + i, [](const T* x) { return Set::load(x); }));
        if (length == size) {
            Set::store(target + i, value, false);
            continue;
        }
        alignas(cache_line) T numbers[size];
        Set::store(numbers, value, false);
        std::memcpy(static_cast<void*>(target + i), numbers, static_cast<size_t>(length) * sizeof(T));
    }
}

template <class Set>
constexpr auto finish_rows = make_format_kernels<FinishRow>([]<class T> { return finish_row<Set, T>; });

} // namespace
} // namespace nbit
