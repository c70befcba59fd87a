// Weights, operands and runs that the tests of products with a 4-bit weight share.
#pragma once
#include "abi.h"
#include "cpu/linear4.h"
#include "inputs.h"

namespace nbit::test
{

struct Shape4 {
    int64_t rows, out_features, in_features, blocksize;
    int32_t quant_type;
    bool is_nested, has_bias;
};
std::ostream& operator<<(std::ostream& out, const Shape4& shape);

enum class Operands {
    ordinary, // normally distributed
    exact, // x of -1, 0 and 1, absmax from 0.5 to 1: sums of fewer than 200 nf4 terms in 16 bits are exact in float32
};

enum class Direction { forward, backward };

// A product and the memory that it names; y is filled with canaries.
class Problem4
{
public:
    Problem4(const Shape4& shape, int32_t compute_type, int32_t type, Direction direction, Operands operands,
             unsigned seed);
    Problem4(const Problem4&) = delete;

    const Product4& product() const { return product_; }
    int64_t depth() const { return is_forward() ? shape_.in_features : shape_.out_features; }
    int64_t width() const { return is_forward() ? shape_.out_features : shape_.in_features; }
    bool is_forward() const { return direction_ == Direction::forward; }

    // By a table's kernel, with memory of exactly the sizes that it asks for, parts of x packed from the last to the
    // first, and columns in two parts. Fails where anything else is written.
    Bytes run(const Linear4Table& table);
    // Through the ABI.
    Bytes run(nbit_context* context);
    int32_t call(nbit_context* context);

    // Of an element of y: the sum of the magnitudes of its terms.
    double magnitude(int64_t row, int64_t column) const;

    std::vector<float>& absmax() { return absmax_; }
    std::vector<float>& book() { return book_; }
    void set_x(int64_t index, float value);
    const Bytes& bias() const { return bias_; }

private:
    const Linear4Kernel& kernel_of(const Linear4Table& table) const;

    Shape4 shape_;
    Direction direction_;
    Bytes packed_, x_, bias_, y_;
    std::vector<uint8_t> absmax_codes_;
    std::vector<float> absmax_, book_, rounded_bias_;
    float offset_ = 0.5f;
    Product4 product_{};
};

// A random shape; regular: with columns that are a multiple of 32.
Shape4 random_shape(unsigned seed, int64_t rows, bool is_regular);

} // namespace nbit::test
