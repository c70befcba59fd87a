// The random Hadamard transform.
#include "abi.h"
#include "guarded.h"
#include "inputs.h"

#include <bit>
#include <cmath>

namespace nbit::test
{
namespace
{

constexpr int32_t bfloat16 = NBIT_DATA_TYPE_BFLOAT16;
constexpr int64_t size = 16;

struct Shape {
    int64_t rows, columns;
    int64_t padded_rows() const { return (rows + size - 1) / size * size; }
};

Bytes transform(const Shape& shape, const Bytes& source, int32_t threads = 1)
{
    const Context context = cpu_context(threads);
    Guarded<uint16_t> target(shape.columns * shape.padded_rows(), 1);
    EXPECT_EQ(nbit_hadamard_transform(context.get(), reinterpret_cast<const uint16_t*>(source.data()), shape.rows,
                                      shape.columns, target.data()),
              NBIT_STATUS_OK)
        << last_error();
    EXPECT_TRUE(target.is_intact());
    return target.bytes();
}

// S * H / 4 by its definition: Sylvester's matrix has -1 where two indices share an odd number of bits.
double entry(int64_t from, int64_t to)
{
    constexpr int signs[size] = {1, 1, 1, -1, 1, -1, -1, -1, -1, -1, -1, 1, -1, 1, -1, -1};
    return signs[from] * (std::popcount(static_cast<uint64_t>(from & to)) % 2 ? -0.25 : 0.25);
}

double element(const std::vector<float>& source, const Shape& shape, int64_t row, int64_t column)
{
    return row < shape.rows ? static_cast<double>(source[static_cast<size_t>(row * shape.columns + column)]) : 0;
}

class Hadamard : public testing::TestWithParam<Shape>
{
protected:
    Shape shape() const { return GetParam(); }
    Bytes source() const
    {
        return rounded(bfloat16, random_numbers(Numbers::ordinary, shape().rows * shape().columns, 1));
    }
};

TEST_P(Hadamard, MultipliesTheTransposeWithTheMatrix)
{
    const std::vector<float> from = widened(bfloat16, source()), to = widened(bfloat16, transform(shape(), source()));
    for (int64_t c = 0; c < shape().columns; ++c)
        for (int64_t r = 0; r < shape().padded_rows(); ++r) {
            double expected = 0, magnitude = 0;
            for (int64_t i = 0; i < size; ++i) {
                const double term = element(from, shape(), r / size * size + i, c) * entry(i, r % size);
                expected += term;
                magnitude += std::fabs(term);
            }
            // Rounding to bfloat16, and of float32 sums of 16 terms
            const double bound = std::fabs(expected) * 0x1p-8 + magnitude * 16 * 0x1p-24;
            ASSERT_NEAR(static_cast<double>(to[static_cast<size_t>(c * shape().padded_rows() + r)]), expected, bound)
                << c << ", " << r;
        }
}

TEST_P(Hadamard, IsUndoneByTheTransposedMatrix)
{
    const std::vector<float> from = widened(bfloat16, source()), to = widened(bfloat16, transform(shape(), source()));
    for (int64_t c = 0; c < shape().columns; ++c)
        for (int64_t r = 0; r < shape().padded_rows(); ++r) {
            double found = 0, magnitude = 0;
            for (int64_t i = 0; i < size; ++i) {
                const size_t at = static_cast<size_t>(c * shape().padded_rows() + r / size * size + i);
                const double term = static_cast<double>(to[at]) * entry(r % size, i);
                found += term;
                magnitude += std::fabs(term);
            }
            // Each transformed element was rounded to bfloat16
            ASSERT_NEAR(found, element(from, shape(), r, c), magnitude * 0x1p-8) << c << ", " << r;
        }
}

TEST_P(Hadamard, DoesNotDependOnThreads)
{
    EXPECT_TRUE(same_bytes(transform(shape(), source(), 1), transform(shape(), source(), 3)));
}

INSTANTIATE_TEST_SUITE_P(All, Hadamard,
                         testing::Values(Shape{16, 1}, Shape{32, 64}, Shape{1, 3}, Shape{17, 65}, Shape{250, 130},
                                         Shape{400, 2100}, Shape{0, 5}, Shape{5, 0}),
                         [](const auto& test) {
                             return std::to_string(test.param.rows) + "x" + std::to_string(test.param.columns);
                         });

TEST(HadamardErrors, NameWhatIsMissingAndWriteNothing)
{
    const Context context = cpu_context(1);
    std::vector<uint16_t> source(32, 0x3f80), target(32, 7);
    EXPECT_EQ(nbit_hadamard_transform(nullptr, source.data(), 16, 2, target.data()), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(last_error(), "context is null; give the address of memory for it");
    EXPECT_EQ(nbit_hadamard_transform(context.get(), nullptr, 16, 2, target.data()), NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(last_error(), "source is null; give the address of memory for it");
    EXPECT_EQ(nbit_hadamard_transform(context.get(), source.data(), 16, 2, source.data()),
              NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(last_error(), "target (64 bytes) overlaps source (64 bytes); give target memory of its own");
    EXPECT_EQ(nbit_hadamard_transform(context.get(), source.data(), -1, 2, target.data()),
              NBIT_STATUS_INVALID_ARGUMENT);
    // Without columns nothing is too much but a number of rows that cannot be rounded up
    EXPECT_EQ(nbit_hadamard_transform(context.get(), source.data(), INT64_MAX, 0, target.data()),
              NBIT_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(last_error(), "rows is 9223372036854775807; at most 9223372036854775791 are allowed");
    EXPECT_EQ(target, std::vector<uint16_t>(32, 7));
}

} // namespace
} // namespace nbit::test
