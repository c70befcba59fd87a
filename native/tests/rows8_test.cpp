// int8 rows and columns: the reference twin against the definition, and the kernels of every instruction set against
// the twin.
#include "cpu/rows8.h"
#include "inputs.h"

#include <algorithm>

namespace nbit::test
{
namespace
{

constexpr int32_t float32 = NBIT_DATA_TYPE_FLOAT32;
const float nan = std::numeric_limits<float>::quiet_NaN();

struct Matrix {
    int64_t rows, columns;
    Bytes elements;
};

struct Rows8 {
    Bytes codes;
    std::vector<float> absmax;
    Bytes flags;

    int8_t code(size_t i) const { return static_cast<int8_t>(codes[i]); }
};

Rows8 quantize_rows(const Rows8Table& kernels, int32_t type, const Matrix& source, float threshold, bool stream)
{
    Rows8 result{Bytes(static_cast<size_t>(source.rows * source.columns)),
                 std::vector<float>(static_cast<size_t>(source.rows)), Bytes(static_cast<size_t>(source.columns))};
    kernels.quantize.find(type)(source.elements.data(), source.rows, source.columns, threshold,
                                reinterpret_cast<int8_t*>(result.codes.data()), result.absmax.data(),
                                threshold > 0 ? result.flags.data() : nullptr, stream);
    return result;
}

// All of it as one part.
Rows8 quantize_columns(const Rows8Table& kernels, int32_t type, const Matrix& source, const Bytes& left_out,
                       bool stream = false)
{
    Rows8 result{Bytes(static_cast<size_t>(source.rows * source.columns)), {}, {}};
    std::vector<uint32_t> largest(static_cast<size_t>(source.columns));
    const MatrixPart part{source.rows, source.columns, source.columns};
    kernels.raise_columns.find(type)(source.elements.data(), part, largest.data());
    for (size_t c = 0; c < largest.size(); ++c)
        result.absmax.push_back(!left_out.empty() && left_out[c] ? 0 : absmax_from_bits<float>(largest[c]));
    kernels.quantize_columns.find(type)(source.elements.data(), part, result.absmax.data(),
                                        reinterpret_cast<int8_t*>(result.codes.data()), source.rows, stream);
    return result;
}

Bytes dequantize_rows(const Rows8Table& kernels, const Rows8& quantized, int32_t type, bool stream)
{
    const auto rows = static_cast<int64_t>(quantized.absmax.size());
    const int64_t columns = rows ? static_cast<int64_t>(quantized.codes.size()) / rows : 0;
    Bytes target(quantized.codes.size() * static_cast<size_t>(data_type_size(type)));
    kernels.dequantize.find(type)(reinterpret_cast<const int8_t*>(quantized.codes.data()), quantized.absmax.data(),
                                  rows, columns, target.data(), stream);
    return target;
}

Rows8 reference_rows(const std::vector<float>& numbers, int64_t columns, float threshold)
{
    const auto rows = static_cast<int64_t>(numbers.size()) / columns;
    return quantize_rows(reference::rows8, float32, {rows, columns, bytes_of(numbers)}, threshold, false);
}

TEST(Rows8Reference, RoundsToTheNearestOf255StepsAndHalvesToTheEvenOne)
{
    const Rows8 found = reference_rows({127, -127, 0.5f, 1.5f, -0.5f, -1.5f, 2.5f, 0, 63.49f, 63.51f}, 10, 0);
    EXPECT_EQ(found.absmax, std::vector<float>{127});
    const std::vector<int> expected{127, -127, 0, 2, 0, -2, 2, 0, 63, 64};
    for (size_t i = 0; i < expected.size(); ++i)
        EXPECT_EQ(found.code(i), expected[i]) << i;
}

TEST(Rows8Reference, ScalesByTheRoundedProductOf127AndTheRoundedReciprocal)
{
    // The first absmax from 1 on for which that differs from the rounded quotient, and an element that shows it
    int shown = 0;
    for (float absmax = 1; absmax < 1.01f; absmax = std::nextafter(absmax, 2.0f)) {
        const float scale = 127 * (1 / absmax), quotient = 127 / absmax;
        if (scale == quotient) continue;
        for (int step = 0; step < 127; ++step) {
            const auto halfway = static_cast<float>((step + 0.5) / static_cast<double>(scale));
            if (std::nearbyint(halfway * scale) == std::nearbyint(halfway * quotient)) continue;
            EXPECT_EQ(reference_rows({absmax, halfway}, 2, 0).code(1), std::nearbyint(halfway * scale));
            ++shown;
        }
        if (shown > 3) break;
    }
    EXPECT_GT(shown, 3);
}

TEST(Rows8Reference, LeavesOutliersOutAndFlagsTheirColumns)
{
    const Rows8 found = reference_rows({1, -6, 5.9375f, 2, /* second row */ 7, 0.5f, 0.25f, 0}, 4, 6);
    EXPECT_EQ(found.absmax, (std::vector<float>{5.9375f, 0.5f}));
    EXPECT_EQ(found.flags, (Bytes{1, 1, 0, 0}));
    const std::vector<int> expected{21, 0, 127, 43, 0, 127, 64, 0};
    for (size_t i = 0; i < expected.size(); ++i)
        EXPECT_EQ(found.code(i), expected[i]) << i;
}

TEST(Rows8Reference, GivesZerosForARowOfZerosOrOfOutliers)
{
    const Rows8 found = reference_rows({0, -0.0f, /* second row */ 8, -9}, 2, 6);
    EXPECT_EQ(found.absmax, (std::vector<float>{0, 0}));
    EXPECT_EQ(found.codes, Bytes(4));
}

TEST(Rows8Reference, KeepsNaNAndInfinitiesVisible)
{
    const Rows8 found = reference_rows({1, nan, infinity, /* second row */ -infinity, 5, infinity, 1, 1, 1}, 3, 0);
    EXPECT_TRUE(std::isnan(found.absmax[0]));
    EXPECT_EQ(found.absmax[1], infinity);
    EXPECT_EQ(found.codes, (Bytes{0, 0, 0, 0x81, 0, 0x7f, 0x7f, 0x7f, 0x7f}));
    const std::vector<float> back = elements_of<float>(dequantize_rows(reference::rows8, found, float32, false));
    for (const size_t i : {0, 1, 2, 4})
        EXPECT_TRUE(std::isnan(back[i])) << i;
    EXPECT_EQ(back[3], -infinity);
    EXPECT_EQ(back[5], infinity);
}

TEST(Rows8Reference, DequantizesByTheRowAndTheFloatOfOneStep)
{
    Rows8 every{{}, {1.7f, 1e-30f}, {}};
    std::vector<float> products;
    for (const float absmax : every.absmax)
        for (int code = -127; code <= 127; ++code) {
            every.codes.push_back(static_cast<unsigned char>(code));
            products.push_back(static_cast<float>(code) * absmax * 7.874015718698502e-3f);
        }
    for (const int32_t type : number_formats)
        EXPECT_TRUE(same_bytes(rounded(type, products), dequantize_rows(reference::rows8, every, type, false)));
}

TEST(Columns8Reference, IsTheRowsOfTheTranspose)
{
    const int64_t rows = 37, columns = 21;
    const std::vector<float> numbers = random_numbers(Numbers::special, rows * columns, 4);
    std::vector<float> transposed;
    for (int64_t c = 0; c < columns; ++c)
        for (int64_t r = 0; r < rows; ++r)
            transposed.push_back(c == 2 || c == 5 ? 0 : numbers[static_cast<size_t>(r * columns + c)]);
    Bytes left_out(static_cast<size_t>(columns));
    left_out[2] = 1;
    left_out[5] = 255;
    const Rows8 expected = reference_rows(transposed, rows, 0);
    const Rows8 found = quantize_columns(reference::rows8, float32, {rows, columns, bytes_of(numbers)}, left_out);
    EXPECT_TRUE(same_bytes(bytes_of(expected.absmax), bytes_of(found.absmax)));
    EXPECT_TRUE(same_bytes(expected.codes, found.codes));
}

TEST(ClearColumns, ClearsTheFlaggedOnesAndNoOther)
{
    constexpr int64_t rows = 150, columns = 70;
    std::vector<int8_t> codes(rows * columns, 5);
    Bytes flags(columns);
    flags[0] = flags[33] = flags[69] = 1;
    clear_columns(codes.data(), rows, columns, flags.data());
    for (size_t i = 0; i < codes.size(); ++i)
        ASSERT_EQ(codes[i], flags[i % columns] ? 0 : 5) << i;
    clear_columns(nullptr, rows, 0, nullptr);
    clear_columns(codes.data(), 0, columns, flags.data());
}

class RowKernels8 : public testing::TestWithParam<std::tuple<nbit_instruction_set, nbit_data_type>>
{
protected:
    void SetUp() override
    {
        if (!machine_has(set())) GTEST_SKIP() << "this machine lacks " << instruction_set_name(set());
    }
    nbit_instruction_set set() const { return std::get<0>(GetParam()); }
    int32_t type() const { return std::get<1>(GetParam()); }
    const Rows8Table& kernels() const { return rows8_of(set()); }

    void expect_same_rows(const Matrix& source, float threshold) const
    {
        const Rows8 expected = quantize_rows(reference::rows8, type(), source, threshold, false);
        const Bytes numbers = dequantize_rows(reference::rows8, expected, type(), false);
        for (const bool stream : {false, true}) {
            const Rows8 found = quantize_rows(kernels(), type(), source, threshold, stream);
            ASSERT_TRUE(same_bytes(bytes_of(expected.absmax), bytes_of(found.absmax)))
                << source.columns << " columns, threshold " << threshold;
            ASSERT_TRUE(same_bytes(expected.codes, found.codes))
                << source.columns << " columns, threshold " << threshold;
            ASSERT_TRUE(same_bytes(expected.flags, found.flags))
                << source.columns << " columns, threshold " << threshold;
            ASSERT_TRUE(same_bytes(numbers, dequantize_rows(kernels(), expected, type(), stream)))
                << source.columns << " columns";
        }
    }
    void expect_same_columns(const Matrix& source, const Bytes& left_out) const
    {
        const Rows8 expected = quantize_columns(reference::rows8, type(), source, left_out);
        for (const bool stream : {false, true}) {
            const Rows8 found = quantize_columns(kernels(), type(), source, left_out, stream);
            ASSERT_TRUE(same_bytes(bytes_of(expected.absmax), bytes_of(found.absmax)))
                << source.rows << " x " << source.columns;
            ASSERT_TRUE(same_bytes(expected.codes, found.codes)) << source.rows << " x " << source.columns;
        }
    }
};

TEST_P(RowKernels8, GiveTheBitsOfTheReferenceTwinForAllKindsOfNumbers)
{
    for (const Numbers kind : kinds_of_numbers)
        for (const int64_t columns : {1, 31, 32, 63, 64, 100, 1024, 1029})
            for (const float threshold : {0.0f, 0.5f, 2.0f, 6.0f})
                expect_same_rows({9, columns, rounded(type(), random_numbers(kind, 9 * columns, 6))}, threshold);
}

TEST_P(RowKernels8, GiveTheBitsOfTheReferenceTwinForEveryElement)
{
    if (type() == NBIT_DATA_TYPE_FLOAT32) return;
    for (const float threshold : {0.0f, 6.0f}) {
        expect_same_rows({256, 256, all_elements(type())}, threshold);
        std::vector<float> numbers; // all that is smaller than 5, beside it
        for (const float x : widened(type(), all_elements(type()))) {
            if (!(std::fabs(x) <= 5)) continue;
            if (numbers.size() % 128 == 0) numbers.push_back(5);
            numbers.push_back(x);
        }
        numbers.resize(numbers.size() / 128 * 128);
        expect_same_rows({static_cast<int64_t>(numbers.size() / 128), 128, rounded(type(), numbers)}, threshold);
    }
}

TEST_P(RowKernels8, GiveTheBitsOfTheReferenceTwinAtHalves)
{
    std::vector<float> numbers;
    for (const float absmax : {127.0f, 1.0f, 3.7f, 1e-30f, 2e38f, 1e-37f})
        for (int step = -127; step < 127; ++step) {
            const float halfway = (static_cast<float>(step) + 0.5f) / 127 * absmax;
            numbers.push_back(absmax);
            add_with_neighbours(numbers, halfway);
        }
    expect_same_rows({static_cast<int64_t>(numbers.size() / 6), 6, rounded(type(), numbers)}, 0);
}

TEST_P(RowKernels8, QuantizeColumnsToTheBitsOfTheReferenceTwin)
{
    for (const Numbers kind : kinds_of_numbers)
        for (const auto& [rows, columns] : std::vector<std::pair<int64_t, int64_t>>{
                 {1, 1}, {64, 64}, {128, 130}, {7, 600}, {63, 65}, {200, 33}, {129, 200}, {0, 5}, {5, 0}}) {
            const Matrix source{rows, columns, rounded(type(), random_numbers(kind, rows * columns, 8))};
            expect_same_columns(source, {});
            Bytes left_out(static_cast<size_t>(columns));
            for (size_t c = 0; c < left_out.size(); c += 3)
                left_out[c] = 1;
            expect_same_columns(source, left_out);
        }
}

TEST_P(RowKernels8, QuantizeAPartOfAMatrixAndTouchNoOther)
{
    constexpr int64_t rows = 200, columns = 700;
    const int64_t size = data_type_size(type());
    const Matrix source{rows, columns, rounded(type(), random_numbers(Numbers::ordinary, rows * columns, 9))};
    struct Place {
        int64_t row, column, rows, columns;
    };
    for (const Place& place : {Place{0, 0, 64, 256}, {64, 256, 64, 444}, {3, 5, 130, 257}, {100, 1, 1, 1}}) {
        const Bytes from(source.elements.begin() + (place.row * columns + place.column) * size, source.elements.end());
        const MatrixPart part{place.rows, place.columns, columns};
        std::vector<uint32_t> largest(columns, 0x3f800000), expected_largest = largest;
        kernels().raise_columns.find(type())(from.data(), part, largest.data());
        reference::rows8.raise_columns.find(type())(from.data(), part, expected_largest.data());
        ASSERT_EQ(expected_largest, largest);
        const std::vector<float> absmax(columns, 2);
        Bytes found(rows * columns, 0xa5), expected = found;
        const int64_t at = place.column * rows + place.row;
        kernels().quantize_columns.find(type())(from.data(), part, absmax.data(),
                                                reinterpret_cast<int8_t*>(found.data() + at), rows, false);
        reference::rows8.quantize_columns.find(type())(from.data(), part, absmax.data(),
                                                       reinterpret_cast<int8_t*>(expected.data() + at), rows, false);
        ASSERT_TRUE(same_bytes(expected, found)) << place.row << ", " << place.column;
    }
}

TEST_P(RowKernels8, WriteEveryWidthAtEveryPositionAndNothingElse)
{
    constexpr int64_t rows = 3, widest = 140, guard = 128;
    const int64_t size = data_type_size(type());
    const auto untouched = [](unsigned char byte) { return byte == 0xa5; };
    const Bytes all = rounded(type(), random_numbers(Numbers::ordinary, rows * widest, 10));
    for (int64_t columns = 0; columns <= widest; ++columns) {
        const int64_t shift = columns % 5, count = rows * columns;
        Bytes from(all.begin(), all.begin() + count * size);
        const Rows8 expected = quantize_rows(reference::rows8, type(), {rows, columns, from}, 1, false);
        from.insert(from.begin(), static_cast<size_t>(shift), 0);
        Bytes memory(static_cast<size_t>(guard + shift + count + guard), 0xa5);
        Bytes flags(static_cast<size_t>(columns + guard), 0xa5);
        std::fill_n(flags.begin(), columns, 0);
        std::vector<float> absmax(rows);
        const auto begin = memory.begin() + guard + shift, end = begin + count;
        kernels().quantize.find(type())(from.data() + shift, rows, columns, 1, reinterpret_cast<int8_t*>(&*begin),
                                        absmax.data(), flags.data(), columns % 2 == 0);
        ASSERT_EQ(expected.absmax, absmax) << columns;
        ASSERT_TRUE(same_bytes(expected.codes, Bytes(begin, end))) << columns;
        ASSERT_TRUE(same_bytes(expected.flags, Bytes(flags.begin(), flags.begin() + columns))) << columns;
        ASSERT_TRUE(std::all_of(memory.begin(), begin, untouched)) << columns;
        ASSERT_TRUE(std::all_of(end, memory.end(), untouched)) << columns;
        ASSERT_TRUE(std::all_of(flags.begin() + columns, flags.end(), untouched)) << columns;

        const Bytes numbers = dequantize_rows(reference::rows8, expected, type(), false);
        Bytes target(static_cast<size_t>(guard + shift + count * size + guard), 0xa5);
        const auto first = target.begin() + guard + shift, last = first + count * size;
        kernels().dequantize.find(type())(reinterpret_cast<const int8_t*>(&*begin), absmax.data(), rows, columns,
                                          &*first, columns % 2 == 0);
        ASSERT_TRUE(same_bytes(numbers, Bytes(first, last))) << columns;
        ASSERT_TRUE(std::all_of(target.begin(), first, untouched)) << columns;
        ASSERT_TRUE(std::all_of(last, target.end(), untouched)) << columns;
    }
}

INSTANTIATE_TEST_SUITE_P(All, RowKernels8,
                         testing::Combine(testing::ValuesIn(all_instruction_sets()), testing::ValuesIn(number_formats)),
                         [](const auto& test) {
                             return std::string(instruction_set_name(std::get<0>(test.param))) + "_" +
                                    data_type_name(std::get<1>(test.param));
                         });

#if defined(__x86_64__)
TEST(Rows8Tables, AreTheInstructionSetsOwn)
{
    EXPECT_EQ(&rows8_of(NBIT_INSTRUCTION_SET_SCALAR), &scalar::rows8);
    EXPECT_EQ(&rows8_of(NBIT_INSTRUCTION_SET_AVX2), &avx2::rows8);
    EXPECT_EQ(&rows8_of(NBIT_INSTRUCTION_SET_AVX512), &avx512::rows8);
    EXPECT_EQ(&rows8_of(NBIT_INSTRUCTION_SET_AVX512BF16), &avx512bf16::rows8);
}
#endif

} // namespace
} // namespace nbit::test
