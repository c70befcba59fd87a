// Products with a 4-bit weight: the contract of the kernels, and where to find them.
#pragma once
#include "cpu/number_formats.h"
#include "cpu/weight4.h"

namespace nbit
{

// y = x W^T + bias (forward) or y = x W (backward). Elements of x, of the dequantized weight (number * absmax) and the
// bias are rounded to the compute type, sums are float32, and a sum is rounded to the compute type before it is rounded
// to the type of y.
struct Product4 {
    Weight4 weight;
    int32_t compute_type; // one of number_formats
    int32_t type;         // of x and y, one of number_formats
    const void* x;        // row-major, as y
    int64_t rows;         // of x and y, 1 to most_product_rows
    const float* bias;    // one a column of y, rounded to the compute type; or null
    void* y;

    Product4 part(int64_t first_row, int64_t row_count, int64_t depth, int64_t width, int64_t element_size) const
    {
        Product4 product = *this;
        product.rows = row_count;
        product.x = static_cast<const char*>(x) + first_row * depth * element_size;
        product.y = static_cast<char*>(y) + first_row * width * element_size;
        return product;
    }
};

// What fits a second-level cache as packed rows and sums. More rows come in several products.
inline constexpr int64_t most_product_rows = 518;

// Pure functions: no memory, no threads, no state. A product is two loops that threads share, each of which must have
// ended before the next thing begins. Sums do not depend on how the loops are shared. Needs the mode of
// base/float_environment.h.
struct Linear4Kernel {
    // First, x is packed into memory that all threads share, of so many bytes, in so many parts.
    int64_t (*packed_bytes)(const Product4& product);
    int64_t (*pack_parts)(const Product4& product);
    void (*pack)(const Product4& product, int64_t begin, int64_t end, void* packed);
    // Then columns [begin, end) of y are written, begin a multiple of the grain, with so many bytes of a thread's own.
    int64_t (*workspace_bytes)(const Product4& product);
    int64_t grain;
    void (*multiply)(const Product4& product, const void* packed, int64_t begin, int64_t end, void* workspace);
};

// Choose by compute type, rows and whether the weight is regular; not by the number of threads.
struct Linear4Table {
    const Linear4Kernel& (*forward)(const Product4& product);
    const Linear4Kernel& (*backward)(const Product4& product);
};

namespace reference
{
extern const Linear4Table linear4; // one element at a time, with sums in float64
}
namespace scalar
{
extern const Linear4Table linear4;
}
namespace avx2
{
extern const Linear4Table linear4;
}
namespace avx512
{
extern const Linear4Table linear4;
}
namespace avx512bf16
{
extern const Linear4Table linear4;
}

// The table of an instruction set that this machine has.
const Linear4Table& linear4_of(nbit_instruction_set which) noexcept;

} // namespace nbit
