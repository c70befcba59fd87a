// The parts that matrix products are made of: packed rows, panels and register tiles, on small integers, whose sums are
// exact in every format.
#include "inputs.h"
#include "packed_products.h"

#include <algorithm>
#include <cstdint>
#include <ostream>
#include <random>

namespace nbit::test
{

namespace
{

int panel_count(int rows) { return (rows + 13) / 14; }

struct ProductCase {
    const char* name;
    nbit_instruction_set set;
    const PackedProduct* product;
};
void PrintTo(const ProductCase& one, std::ostream* out) { *out << one.name; }

// Dwords that begin a cache line, with a guard behind them.
class GuardedDwords
{
public:
    explicit GuardedDwords(int64_t count) : memory_(static_cast<size_t>(count + 2 * guard), untouched), count_(count)
    {
        const auto misplaced = reinterpret_cast<uintptr_t>(memory_.data()) / sizeof(int32_t) % guard;
        begin_ = memory_.data() + (guard - misplaced) % guard;
    }
    int32_t* data() { return begin_; }
    bool guard_is_intact() const
    {
        return std::all_of(begin_ + count_, begin_ + count_ + guard, [](int32_t dword) { return dword == untouched; });
    }

private:
    static constexpr int64_t guard = 16;
    static constexpr int32_t untouched = 0x5a5a5a5a;
    std::vector<int32_t> memory_;
    int32_t* begin_ = nullptr;
    int64_t count_;
};

class PackedProducts : public testing::TestWithParam<ProductCase>
{
protected:
    void SetUp() override
    {
        if (!machine_has(GetParam().set)) GTEST_SKIP() << "this machine lacks " << instruction_set_name(GetParam().set);
    }
    bool is_int8() const { return GetParam().product->element_size == 1; }
    bool is_bfloat16() const { return GetParam().product->element_size == 2; }

    std::vector<int8_t> random_codes(int64_t count)
    {
        const int least = is_int8() ? -128 : -9, most = is_int8() ? 127 : 9;
        std::vector<int8_t> codes(static_cast<size_t>(count));
        for (int8_t& code : codes)
            code = static_cast<int8_t>(std::uniform_int_distribution<int>(least, most)(random_));
        return codes;
    }

    Bytes elements(const std::vector<int8_t>& codes) const
    {
        if (is_int8()) return bytes_of(codes);
        return rounded(is_bfloat16() ? NBIT_DATA_TYPE_BFLOAT16 : NBIT_DATA_TYPE_FLOAT32,
                       std::vector<float>(codes.begin(), codes.end()));
    }

    // The columns in two parts, as two threads would.
    void expect_exact(int rows, int64_t depth, int64_t columns, int64_t middle)
    {
        const std::vector<int8_t> a = random_codes(rows * depth), b = random_codes(columns * depth);
        const Bytes weights = elements(b);
        PlainProduct p{a.data(), weights.data(), rows, depth, columns, nullptr, nullptr, nullptr};
        const PackedProduct& product = *GetParam().product;
        GuardedDwords packed(product.packed_dwords(p)), workspace(product.workspace_dwords(p)), c(rows * columns);
        p.packed = packed.data();
        p.workspace = workspace.data();
        p.c = c.data();
        const int panels = panel_count(rows);
        product.pack(p, panels / 2, panels);
        product.pack(p, 0, panels / 2);
        product.multiply(p, middle, columns);
        product.multiply(p, 0, middle);
        for (int r = 0; r < rows; ++r)
            for (int64_t n = 0; n < columns; ++n) {
                int32_t sum = 0, row_sum = 0;
                for (int64_t k = 0; k < depth; ++k) {
                    sum += a[static_cast<size_t>(r * depth + k)] * b[static_cast<size_t>(n * depth + k)];
                    row_sum += a[static_cast<size_t>(r * depth + k)];
                }
                const int32_t found = c.data()[r * columns + n];
                ASSERT_EQ(is_int8() ? found - 128 * row_sum : static_cast<int32_t>(std::bit_cast<float>(found)), sum)
                    << rows << " x " << depth << " x " << columns << ", row " << r << ", column " << n;
            }
        EXPECT_TRUE(packed.guard_is_intact() && workspace.guard_is_intact() && c.guard_is_intact());
    }

private:
    std::mt19937 random_{7};
};

TEST_P(PackedProducts, AreExactForEveryNumberOfRows)
{
    for (int rows = 1; rows <= 45; ++rows)
        expect_exact(rows, 70, 33, 16);
}

TEST_P(PackedProducts, AreExactForEveryDepth)
{
    for (int64_t depth = 1; depth <= 70; ++depth)
        expect_exact(3, depth, 40, 32);
    for (const int64_t depth : {191, 192, 193, 384, 385, 768, 769, 1555})
        expect_exact(17, depth, 40, 32);
}

TEST_P(PackedProducts, AreExactForEveryNumberOfColumns)
{
    for (int64_t columns = 1; columns <= 70; ++columns)
        expect_exact(5, 37, columns, columns / 2);
    for (const int64_t columns : {127, 128, 129, 256, 300})
        expect_exact(15, 200, columns, columns / 3);
}

TEST_P(PackedProducts, AreExactForAsManyRowsAsAProductHas) { expect_exact(518, 97, 130, 64); }

#if defined(__x86_64__)
INSTANTIATE_TEST_SUITE_P(
    All, PackedProducts,
    testing::Values(ProductCase{"avx512_float32", NBIT_INSTRUCTION_SET_AVX512, &avx512::float32_product},
                    ProductCase{"avx512_int8", NBIT_INSTRUCTION_SET_AVX512, &avx512::int8_product},
                    ProductCase{"avx512bf16_float32", NBIT_INSTRUCTION_SET_AVX512BF16, &avx512bf16::float32_product},
                    ProductCase{"avx512bf16_bfloat16", NBIT_INSTRUCTION_SET_AVX512BF16, &avx512bf16::bfloat16_product},
                    ProductCase{"avx512bf16_int8", NBIT_INSTRUCTION_SET_AVX512BF16, &avx512bf16::int8_product}),
    [](const auto& test) { return std::string(test.param.name); });
#else
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PackedProducts);
#endif

} // namespace
} // namespace nbit::test
