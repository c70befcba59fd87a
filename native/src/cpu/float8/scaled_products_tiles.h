// The loops of products of scaled matrices that instruction sets with few registers have in common: operands become
// float32, and a strip of b, as wide as a tile, lies in the first-level cache.
#pragma once
#include "cpu/float8/scaled_operands.h"
#include "cpu/gradients8_tiles.h"

namespace nbit
{
namespace
{

// An instruction set brings what gradients8_tiles.h and finish_row name, and scaled_rows, its table.

// Stretches of an operand as numbers, without what the whole matrix shares.
template <class Set> class OperandNumbers
{
public:
    explicit OperandNumbers(const ScaledOperand& operand)
        : codes_(operand, Set::rows().transpose), scales_(operand.matrix, operand.transposed),
          decode_(Set::rows().decoder(operand.matrix.format, NBIT_DATA_TYPE_FLOAT32))
    {
        std::fill_n(factors_, OperandCodes::longest, 1.0f);
    }
    // to[i] = term first + i of a row, up to OperandCodes::longest.
    void read(int64_t row, int64_t first, int64_t count, float* to)
    {
        if (scales_.exist()) scales_.read(row, first, count, factors_);
        decode_(codes_.read(row, first, count), count, factors_, to);
    }

private:
    OperandCodes codes_;
    OperandScales scales_;
    DecodeRow decode_;
    float factors_[OperandCodes::longest];
};

template <class Set> struct PlainScaledProduct {
    static constexpr int64_t size = Set::tile_size, depth_of_strip = OperandCodes::longest;
    struct Workspace {
        float numbers[size][depth_of_strip];
        float strip[depth_of_strip][size];
        float sums[block_rows8][size];
    };
    static_assert(depth_of_strip % 2 == 0);

    static int64_t packed_bytes(int64_t rows, int64_t depth)
    {
        return rows * depth * static_cast<int64_t>(sizeof(float));
    }
    static int64_t workspace_bytes(int64_t /*rows*/) { return sizeof(Workspace); }

    static void pack(const ScaledOperand& a, int64_t row, int64_t rows, int64_t first, int64_t last, std::byte* packed)
    {
        OperandNumbers<Set> numbers(a);
        auto* to = reinterpret_cast<float*>(packed);
        const int64_t begin = first_row_of_panel8(rows, first), end = first_row_of_panel8(rows, last);
        constexpr int64_t together = 16; // rows, which transposes make at once
        for (int64_t r0 = begin; r0 < end; r0 += together)
            for (int64_t t = 0; t < a.depth(); t += depth_of_strip)
                for (int64_t r = r0; r < std::min(r0 + together, end); ++r)
                    numbers.read(row + r, t, std::min(depth_of_strip, a.depth() - t), to + r * a.depth() + t);
    }

    // strip[t][c] = term first + t of row column + c.
    static void fill_strip(OperandNumbers<Set>& b, int64_t column, int64_t columns, int64_t first, int64_t count,
                           Workspace& space)
    {
        for (int64_t c = 0; c < columns; ++c)
            b.read(column + c, first, count, space.numbers[c]);
        for (int64_t t = 0; t < count; ++t)
            for (int64_t c = 0; c < size; ++c)
                space.strip[t][c] = space.numbers[c][t];
    }

    static void multiply(const ScaledProduct& product, const std::byte* packed, const TargetPart& part,
                         std::byte* workspace)
    {
        auto& space = *reinterpret_cast<Workspace*>(workspace);
        const auto* x = reinterpret_cast<const float*>(packed);
        const int64_t depth = product.a.depth(), end = part.column + part.columns;
        const FinishRow finish = finish_rows<Set>.find(product.target_type);
        OperandNumbers<Set> b(product.b);
        std::fill_n(space.numbers[0], size * depth_of_strip, 0.0f); // columns beyond the end
        for (int64_t column = part.column; column < end; column += size) {
            const int64_t columns = std::min(size, end - column);
            std::fill_n(space.sums[0], part.rows * size, 0.0f);
            for (int64_t first = 0; first < depth; first += depth_of_strip) {
                const int64_t count = std::min(depth_of_strip, depth - first);
                fill_strip(b, column, columns, first, count, space);
                int64_t r = 0;
                for (; r + 2 <= part.rows; r += 2)
                    add_strip8<Set, 2>(x + r * depth + first, depth, count, space.strip[0], space.sums + r);
                if (r < part.rows)
                    add_strip8<Set, 1>(x + r * depth + first, depth, count, space.strip[0], space.sums + r);
            }
            for (int64_t r = 0; r < part.rows; ++r)
                finish(product, part.row + r, column, columns, space.sums[r]);
        }
    }

    static constexpr ScaledProductKernel kernel{packed_bytes, pack, workspace_bytes, multiply};
};

} // namespace
} // namespace nbit
