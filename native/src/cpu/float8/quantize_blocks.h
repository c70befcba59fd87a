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
    const ScaledRowsTable& kernels;
    RaiseLargest raise;
    EncodeRow encode;
    const void* source; // row-major
    int64_t element_size, rows, columns;
    bool transpose;   // what is quantized is the transpose of the source
    BlockShape block; // of what is quantized
    bool makes_pairs; // two codes a byte
    uint8_t* codes;
    ScaledMatrix layout; // of the scales

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

// What is quantized at once: whole blocks but for the ends. Codes that are transposed wait in the first-level cache;
// otherwise stretches of rows are as long a read as memory likes.
constexpr int64_t quantized_rows = 128, most_quantized_columns = 1024, transposed_columns = 256;
constexpr int64_t quantized_columns(bool transpose) { return transpose ? transposed_columns : most_quantized_columns; }

// Rows [0, rows) and columns [0, columns) of the source from (row, column) on, which begin blocks. The rule brings
//   factor(amax, scale), what the elements of a block are multiplied by; it stores the block's scale at that index;
//   encode(job, row, column, count, factors, codes), the codes of a stretch of a row of the source.
template <class Rule>
void quantize_part(const BlockQuantization& job, const Rule& rule, int64_t row, int64_t column, int64_t rows,
                   int64_t columns)
{
    alignas(64) uint8_t waiting[quantized_rows * transposed_columns];
    alignas(64) float amax[most_quantized_columns], factors[most_quantized_columns];
    const BlockShape block = job.source_block();
    // From a block to that beside it in the source
    const int64_t next_scale = job.transpose ? job.layout.scale_index(block.columns, 0) : 1;
    for (int64_t r = 0; r < rows; r += block.rows) {
        const int64_t height = std::min(block.rows, rows - r);
        alignas(64) float largest[most_quantized_columns];
        std::fill_n(largest, columns, 0.0f);
        job.raise(job.source_at(row + r, column), {height, columns, job.columns}, largest);
        job.kernels.largest_of_blocks(largest, columns, block.columns, amax);
        int64_t scale =
            job.transpose ? job.layout.scale_index(column, row + r) : job.layout.scale_index(row + r, column);
        const float* of_block = amax;
        for (int64_t c = 0; c < columns; c += block.columns, scale += next_scale)
            std::fill_n(factors + c, std::min(block.columns, columns - c), rule.factor(*of_block++, scale));
        for (int64_t i = r; i < r + height; ++i) {
            uint8_t* const codes = job.transpose     ? waiting + i * transposed_columns
                                   : job.makes_pairs ? waiting
                                                     : job.codes_at(row + i, column);
            rule.encode(job, row + i, column, columns, factors, codes);
            if (job.makes_pairs && !job.transpose)
                job.kernels.pack_pairs(codes, columns, job.codes_at(row + i, column));
        }
    }
    if (!job.transpose) return;
    const MatrixPart part{rows, columns, transposed_columns};
    if (!job.makes_pairs) return job.kernels.transpose(waiting, part, job.codes_at(column, row), job.code_row_bytes());
    alignas(64) uint8_t transposed[transposed_columns][quantized_rows];
    job.kernels.transpose(waiting, part, transposed[0], quantized_rows);
    for (int64_t c = 0; c < columns; ++c)
        job.kernels.pack_pairs(transposed[c], rows, job.codes_at(column + c, row));
}

} // namespace
} // namespace nbit
