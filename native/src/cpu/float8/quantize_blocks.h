// Quantization of a matrix in blocks with a scale each: the loops that all block formats have in common.
//
// For a row of blocks, the largest magnitude of every column is found first; a block's amax is the largest of those,
// whatever its shape. Its scale is spread over its columns again, so that a row is encoded with one factor a column.
// The rows of a block are in a cache when they are read again.
#pragma once
#include "cpu/float8/scaled_matrix.h"
#include "cpu/float8/scaled_rows.h"

namespace nbit
{
namespace
{

struct BlockQuantization {
    RaiseLargest raise;
    EncodeRow encode;
    TransposeBytes transpose_bytes;
    const void* source; // row-major
    int64_t element_size, rows, columns;
    bool transpose;   // what is quantized is the transpose of the source
    BlockShape block; // of what is quantized
    bool makes_pairs; // two codes a byte
    uint8_t* codes;

    int64_t code_columns() const { return transpose ? rows : columns; }
    int64_t code_row_bytes() const { return makes_pairs ? blocks_in(code_columns(), 2) : code_columns(); }
    uint8_t* codes_at(int64_t row, int64_t column) const
    {
        return codes + row * code_row_bytes() + (makes_pairs ? column / 2 : column);
    }
    const void* source_at(int64_t row, int64_t column) const
    {
        return static_cast<const char*>(source) + (row * columns + column) * element_size;
    }
    // In the source.
    BlockShape source_block() const { return transpose ? BlockShape{block.columns, block.rows} : block; }
};

// What is quantized at once: whole blocks but for the ends, and so few elements that their codes may wait in the
// first-level cache to be transposed.
constexpr int64_t quantized_rows = 128, quantized_columns = 256;

// The lower half of a byte takes the first one.
inline void pack_pairs(const uint8_t* codes, int64_t count, uint8_t* packed)
{
    for (int64_t i = 0; i < count / 2; ++i)
        packed[i] = static_cast<uint8_t>(codes[2 * i] | codes[2 * i + 1] << 4);
    if (count % 2) packed[count / 2] = codes[count - 1];
}

// Rows [0, rows) and columns [0, columns) of the source from (row, column) on, which begin blocks. The rule brings
//   factor(amax, row, column), what the elements of the block that has this element of the codes' matrix first are
//   multiplied by; it stores the block's scale;
//   encode(job, row, column, count, factors, codes), the codes of a stretch of a row of the source.
template <class Rule>
void quantize_part(const BlockQuantization& job, const Rule& rule, int64_t row, int64_t column, int64_t rows,
                   int64_t columns)
{
    alignas(64) uint8_t waiting[quantized_rows][quantized_columns];
    alignas(64) float factors[quantized_columns];
    const BlockShape block = job.source_block();
    for (int64_t r = 0; r < rows; r += block.rows) {
        const int64_t height = std::min(block.rows, rows - r);
        alignas(64) float largest[quantized_columns] = {};
        job.raise(job.source_at(row + r, column), {height, columns, job.columns}, largest);
        for (int64_t c = 0; c < columns; c += block.columns) {
            const int64_t end = std::min(c + block.columns, columns);
            const float amax = *std::max_element(largest + c, largest + end);
            const float factor =
                job.transpose ? rule.factor(amax, column + c, row + r) : rule.factor(amax, row + r, column + c);
            std::fill(factors + c, factors + end, factor);
        }
        for (int64_t i = r; i < r + height; ++i) {
            const bool waits = job.transpose || job.makes_pairs;
            uint8_t* const codes = waits ? waiting[i] : job.codes_at(row + i, column);
            rule.encode(job, row + i, column, columns, factors, codes);
            if (job.makes_pairs && !job.transpose) pack_pairs(codes, columns, job.codes_at(row + i, column));
        }
    }
    if (!job.transpose) return;
    if (!job.makes_pairs)
        return job.transpose_bytes(waiting[0], {rows, columns, quantized_columns}, job.codes_at(column, row),
                                   job.code_row_bytes());
    alignas(64) uint8_t transposed[quantized_columns][quantized_rows];
    job.transpose_bytes(waiting[0], {rows, columns, quantized_columns}, transposed[0], quantized_rows);
    for (int64_t c = 0; c < columns; ++c)
        pack_pairs(transposed[c], rows, job.codes_at(column + c, row));
}

} // namespace
} // namespace nbit
