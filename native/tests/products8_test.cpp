// Products of int8 matrices: the kernels of every instruction set against the reference twin, and the twin against
// numbers worked out by hand.
#include "cpu/products8.h"
#include "guarded.h"
#include "inputs.h"

#include <cmath>
#include <random>

namespace nbit::test
{
namespace
{

const float nan = std::numeric_limits<float>::quiet_NaN();

// x times a weight, packed in two goes, into memory whose rows are further apart than they are long.
Bytes multiply(const Products8Table& kernels, const std::vector<int8_t>& x, int64_t rows, const Weight8& weight)
{
    const int64_t stride = weight.rows + 3, panels = panel_count8(rows);
    Guarded<std::byte> packed(kernels.packed_bytes(rows, weight.columns)), workspace(kernels.workspace_bytes(rows));
    Guarded<int32_t> product((rows - 1) * stride + weight.rows);
    kernels.pack(x.data(), rows, weight.columns, {panels / 2, panels}, packed.data());
    kernels.pack(x.data(), rows, weight.columns, {0, panels / 2}, packed.data());
    kernels.multiply(packed.data(), rows, weight, product.data(), stride, workspace.data());
    EXPECT_TRUE(packed.is_intact() && workspace.is_intact() && product.is_intact())
        << rows << " x " << weight.columns << " x " << weight.rows;
    return product.bytes();
}

struct OutlierCase {
    int64_t rows, columns, outputs, outliers;
};

// Outlier columns spread over a weight of 1000 columns.
Bytes multiply_outliers(const Products8Table& kernels, const OutlierCase& one, Numbers kind)
{
    const std::vector<int8_t> codes = random_codes(one.outputs * one.columns, 3);
    const std::vector<float> x = random_numbers(kind, one.rows * one.outliers, 4);
    std::vector<float> absmax = random_numbers(Numbers::ordinary, one.outputs, 5);
    std::vector<int64_t> columns;
    for (int64_t j = 0; j < one.outliers; ++j)
        columns.push_back(j * one.columns / one.outliers);
    const int64_t stride = one.outputs + 5;
    Guarded<std::byte> workspace(kernels.workspace_bytes(one.rows));
    Guarded<float> product((one.rows - 1) * stride + one.outputs);
    kernels.multiply_outliers(x.data(), one.rows, {columns.data(), one.outliers},
                              {codes.data(), one.outputs, one.columns}, absmax.data(), product.data(), stride,
                              workspace.data());
    EXPECT_TRUE(workspace.is_intact() && product.is_intact()) << one.rows << " rows, " << one.outliers << " outliers";
    return product.bytes();
}

struct DequantizeCase {
    int64_t rows, columns;
    bool has_bias, has_addend;
    float absmax_scale = 1;
};

Bytes dequantize(const Products8Table& kernels, int32_t type, const DequantizeCase& one)
{
    std::mt19937 random(6);
    const int64_t source_stride = one.columns + 2, target_stride = one.columns + 7;
    std::vector<int32_t> sums(static_cast<size_t>(one.rows * source_stride));
    for (size_t i = 0; i < sums.size(); ++i)
        sums[i] = i % 3 ? static_cast<int32_t>(random()) : static_cast<int32_t>(random() % 2000) - 1000;
    std::vector<float> rows = random_numbers(Numbers::ordinary, one.rows, 7);
    const std::vector<float> columns = random_numbers(Numbers::ordinary, one.columns, 8);
    for (float& x : rows)
        x *= one.absmax_scale;
    if (one.rows > 2) rows[1] = nan, rows[2] = infinity;
    const std::vector<float> bias = random_numbers(Numbers::special, one.columns, 9);
    const std::vector<float> addend = random_numbers(Numbers::special, one.rows * source_stride, 10);
    const int64_t size = data_type_size(type);
    Guarded<char> target(((one.rows - 1) * target_stride + one.columns) * size, one.columns % 3);
    kernels.dequantize.find(type)({sums.data(), one.rows, one.columns, source_stride, rows.data(), columns.data(),
                                   one.has_bias ? bias.data() : nullptr, one.has_addend ? addend.data() : nullptr,
                                   source_stride},
                                  target.data(), target_stride);
    EXPECT_TRUE(target.is_intact()) << one.rows << " x " << one.columns;
    return target.bytes();
}

TEST(Products8Reference, SumsProductsOfSignedCodes)
{
    const std::vector<int8_t> x{1, -2, 127, /* second row */ -128, 0, 5}, weight{3, 4, -1, /* second */ -128, 127, 2};
    Bytes packed(6);
    std::vector<int32_t> product(4);
    reference::products8.pack(x.data(), 2, 3, {0, 1}, reinterpret_cast<std::byte*>(packed.data()));
    reference::products8.multiply(reinterpret_cast<std::byte*>(packed.data()), 2, {weight.data(), 2, 3}, product.data(),
                                  2, nullptr);
    EXPECT_EQ(product, (std::vector<int32_t>{-132, -128, -389, 16394}));
}

TEST(Products8Reference, DequantizesByBothAbsmaxTheStepAndTheBias)
{
    const int32_t sum = 16129 * 3;
    const float row = 2, column = 0.5f, bias = 1, addend = 4;
    float found = 0;
    const auto value = [&](const float* b, const float* a) {
        reference::products8.dequantize.find(NBIT_DATA_TYPE_FLOAT32)({&sum, 1, 1, 1, &row, &column, b, a, 1}, &found,
                                                                     1);
        return found;
    };
    EXPECT_EQ(value(nullptr, nullptr), 16129.0f * 3 * 6.200012e-05f);
    EXPECT_EQ(value(&bias, nullptr), std::fma(16129.0f * 3, 6.200012e-05f, 1.0f));
    EXPECT_EQ(value(&bias, &addend), std::fma(16129.0f * 3, 6.200012e-05f, 1.0f) + 4);
}

TEST(Products8Reference, MultipliesOutliersByDequantizedCodes)
{
    const std::vector<int8_t> weight{1, 127, 3, /* second row */ -2, 64, -127};
    const std::vector<float> x{10, -8}, absmax{2, 0.5f};
    const std::vector<int64_t> columns{1, 2};
    std::vector<float> found(2);
    reference::products8.multiply_outliers(x.data(), 1, {columns.data(), 2}, {weight.data(), 2, 3}, absmax.data(),
                                           found.data(), 2, nullptr);
    const float step = 1.0f / 127;
    EXPECT_EQ(found[0], std::fma(-8.0f, 3 * 2 * step, 10 * (127 * 2 * step)));
    EXPECT_EQ(found[1], std::fma(-8.0f, -127 * 0.5f * step, 10 * (64 * 0.5f * step)));
}

class Products8 : public testing::TestWithParam<nbit_instruction_set>
{
protected:
    void SetUp() override
    {
        if (!machine_has(GetParam())) GTEST_SKIP() << "this machine lacks " << instruction_set_name(GetParam());
    }
    const Products8Table& kernels() const { return products8_of(GetParam()); }

    void expect_same_product(int64_t rows, int64_t columns, int64_t outputs) const
    {
        const std::vector<int8_t> x = random_codes(rows * columns, 1), codes = random_codes(outputs * columns, 2);
        const Weight8 weight{codes.data(), outputs, columns};
        ASSERT_TRUE(same_bytes(multiply(reference::products8, x, rows, weight), multiply(kernels(), x, rows, weight)))
            << rows << " x " << columns << " x " << outputs;
    }
};

TEST_P(Products8, AreExactForEveryNumberOfRows)
{
    for (int64_t rows = 1; rows <= 45; ++rows)
        expect_same_product(rows, 67, 21);
    expect_same_product(block_rows8, 33, block_columns8);
}

TEST_P(Products8, AreExactForEveryDepth)
{
    for (int64_t columns = 0; columns <= 140; ++columns)
        for (const int64_t rows : {1, 5})
            expect_same_product(rows, columns, 7);
    for (const int64_t columns : {767, 768, 769, 1023, 1024, 1025, 3000})
        for (const int64_t rows : {1, 17})
            expect_same_product(rows, columns, 34);
}

TEST_P(Products8, AreExactForEveryNumberOfColumns)
{
    for (int64_t outputs = 1; outputs <= block_columns8; ++outputs)
        for (const int64_t rows : {1, 4})
            expect_same_product(rows, 35, outputs);
}

TEST_P(Products8, AreExactAtTheLimitOfInt32)
{
    for (const int64_t rows : {1, 16})
        for (const int sign : {-128, 127}) {
            const std::vector<int8_t> x(static_cast<size_t>(rows * most_terms8), -128);
            const std::vector<int8_t> codes(static_cast<size_t>(2 * most_terms8), static_cast<int8_t>(sign));
            const Bytes product = multiply(kernels(), x, rows, {codes.data(), 2, most_terms8});
            EXPECT_EQ(elements_of<int32_t>(product)[0], -128 * sign * most_terms8);
            EXPECT_EQ(elements_of<int32_t>(product).back(), -128 * sign * most_terms8);
        }
}

TEST_P(Products8, MultiplyOutliersToTheBitsOfTheReferenceTwin)
{
    for (const Numbers kind : {Numbers::ordinary, Numbers::of_all_magnitudes, Numbers::special, Numbers::tiny})
        for (const OutlierCase& one : {OutlierCase{1, 1000, 128, 1},
                                       {1, 1000, 31, 5},
                                       {2, 10, 33, 10},
                                       {15, 1000, 65, 14},
                                       {14, 1000, 127, 191},
                                       {29, 1000, 40, 192},
                                       {3, 1000, 96, 193},
                                       {45, 1000, 128, 500},
                                       {block_rows8, 1000, 32, 3}}) {
            const Bytes expected = multiply_outliers(reference::products8, one, kind);
            ASSERT_TRUE(same_numbers(NBIT_DATA_TYPE_FLOAT32, expected, multiply_outliers(kernels(), one, kind)))
                << one.rows << " rows, " << one.outputs << " outputs, " << one.outliers << " outliers";
        }
}

TEST_P(Products8, DequantizeToTheBitsOfTheReferenceTwin)
{
    for (const int32_t type : number_formats)
        for (const bool bias : {false, true})
            for (const bool addend : {false, true})
                for (const float scale : {1e-3f, 1e-35f, 1e30f})
                    for (const int64_t columns : {1, 31, 32, 33, 63, 64, 65, 127, 128}) {
                        const DequantizeCase one{5, columns, bias, addend, scale};
                        ASSERT_TRUE(same_numbers(type, dequantize(reference::products8, type, one),
                                                 dequantize(kernels(), type, one)))
                            << data_type_name(type) << ", " << columns << " columns, scale " << scale;
                    }
}

INSTANTIATE_TEST_SUITE_P(All, Products8, testing::ValuesIn(all_instruction_sets()),
                         [](const auto& test) { return instruction_set_name(test.param); });

#if defined(__x86_64__)
TEST(Products8Tables, AreTheInstructionSetsOwn)
{
    EXPECT_EQ(&products8_of(NBIT_INSTRUCTION_SET_SCALAR), &scalar::products8);
    EXPECT_EQ(&products8_of(NBIT_INSTRUCTION_SET_AVX2), &avx2::products8);
    EXPECT_EQ(&products8_of(NBIT_INSTRUCTION_SET_AVX512), &avx512::products8);
    EXPECT_EQ(&products8_of(NBIT_INSTRUCTION_SET_AVX512BF16), &avx512bf16::products8);
}
#endif

} // namespace
} // namespace nbit::test
