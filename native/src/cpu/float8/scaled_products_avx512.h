// Products of scaled matrices with AVX-512, compiled with and without the bfloat16 instructions.
//
// Codes become operands of the register tile while it is filled: bfloat16 numbers where they and their products with
// the scales of blocks are exact, otherwise float32 numbers.
#pragma once
#include "cpu/float8/code_decoder_avx512.h"
#include "cpu/float8/scaled_operands.h"
#include "cpu/numbers_avx512.h"
#include "cpu/packed_product_avx512.h"

namespace nbit::NBIT_AVX512
{
namespace
{

static_assert(panel_rows8 == tile_rows && block_rows8 == most_packed_rows && block_columns8 == packed_group);

template <class Element> struct OperandElement;
template <> struct OperandElement<float> {
    using Product = Float32Product;
};
#if defined(__AVX512BF16__)
template <> struct OperandElement<BFloat16> {
    using Product = BFloat16Product;
};
#endif

// Numbers of a vector of codes.
template <class Element> class NumberDecoder
{
public:
    explicit NumberDecoder(const ScaledMatrix& matrix)
        : decoder_(CodeDecoder::of(matrix.format)), holds_pairs_(matrix.holds_pairs())
    {
    }

    // Up to 64 codes, in order; what is missing is 0.
    __m512i load(const uint8_t* codes, int64_t count) const
    {
        if (!holds_pairs_) return _mm512_maskz_loadu_epi8(lanes(count), codes);
        return CodeDecoder::split_pairs(_mm256_maskz_loadu_epi8(static_cast<__mmask32>(lanes((count + 1) / 2)), codes));
    }
    // Up to 32 codes each of two rows, one after the other.
    __m512i load(const uint8_t* first, const uint8_t* second, int64_t count) const
    {
        if (!holds_pairs_) {
            const auto mask = static_cast<__mmask32>(lanes(count));
            return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_maskz_loadu_epi8(mask, first)),
                                      _mm256_maskz_loadu_epi8(mask, second), 1);
        }
        const auto mask = static_cast<__mmask16>(lanes((count + 1) / 2));
        return CodeDecoder::split_pairs(
            _mm256_set_m128i(_mm_maskz_loadu_epi8(mask, second), _mm_maskz_loadu_epi8(mask, first)));
    }

    // The numbers of 64 codes times 64 scales, unless those are null.
    Tile floats(__m512i codes, const float* scales) const
    {
        const Tile numbers = decoder_.decode(codes);
        return scales ? NumbersSet::product(numbers, load_tile(scales)) : numbers;
    }
#if defined(__AVX512BF16__)
    void bfloat16s(__m512i codes, const float* scales, __m512i& first, __m512i& second) const
    {
        if (!scales) return decoder_.decode(codes, first, second);
        const Tile numbers = floats(codes, scales); // denormals become 0, which VDPBF16PS takes them for anyway
        first = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(numbers.v[1], numbers.v[0]));
        second = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(numbers.v[3], numbers.v[2]));
    }
#endif

    void store(__m512i codes, const float* scales, float* to) const { store_tile(to, floats(codes, scales), false); }
#if defined(__AVX512BF16__)
    void store(__m512i codes, const float* scales, BFloat16* to) const
    {
        __m512i first, second;
        bfloat16s(codes, scales, first, second);
        _mm512_storeu_si512(to, first);
        _mm512_storeu_si512(to + 32, second);
    }
#endif

private:
    static __mmask64 lanes(int64_t count) { return count >= 64 ? ~__mmask64{0} : (__mmask64{1} << count) - 1; }

    CodeDecoder decoder_;
    bool holds_pairs_;
};

// Stretches of an operand's rows.
template <class Element> class OperandStretches
{
public:
    static constexpr int64_t longest = 2 * tile_depth;

    explicit OperandStretches(const ScaledOperand& operand)
        : codes_(operand, scaled_rows.transpose), scales_(operand.matrix, operand.transposed), decoder_(operand.matrix),
          code_bytes_(operand.matrix.holds_pairs() ? tile_size / 2 : tile_size)
    {
    }
    // to[i] = term first + i of a row, without what the whole matrix shares; first is even. Up to 63 elements after
    // `count` are written as well.
    void read(int64_t row, int64_t first, int64_t count, Element* to)
    {
        const uint8_t* codes = codes_.read(row, first, count);
        if (scales_.exist()) scales_.read(row, first, count, factors_);
        for (int64_t i = 0; i < count; i += tile_size, codes += code_bytes_) {
            prefetch(codes, count);
            decoder_.store(decoder_.load(codes, count - i), scales_.exist() ? factors_ + i : nullptr, to + i);
        }
    }

private:
    // The next stretch, which is too short for the hardware prefetcher. Into the second-level cache, since tile and
    // rows of a fill the first.
    static void prefetch(const uint8_t* codes, int64_t ahead)
    {
        _mm_prefetch(reinterpret_cast<const char*>(reinterpret_cast<uintptr_t>(codes) + static_cast<uintptr_t>(ahead)),
                     _MM_HINT_T1);
    }

    OperandCodes codes_;
    OperandScales scales_;
    NumberDecoder<Element> decoder_;
    int64_t code_bytes_;
    alignas(cache_line) float factors_[longest] = {};
};

// Tiles of an operand whose rows are those of the matrix.
template <class Element> class RowTiles
{
public:
    explicit RowTiles(const ScaledOperand& operand) : stretches_(operand), depth_(operand.depth()) {}

    void operator()(int64_t n, int columns, int64_t first, int64_t count, int32_t* tile)
    {
        constexpr int64_t in_dword = 4 / sizeof(Element), longest = tile_depth * in_dword;
        alignas(cache_line) Element strip[16][longest];
        const int64_t k = first * in_dword, length = std::min(count * in_dword, depth_ - k);
        for (int c = 0; c < columns; c += 16) {
            const int rows = std::min(16, columns - c);
            for (int r = 0; r < rows; ++r)
                stretches_.read(n + c + r, k, length, strip[r]);
            interleave_dwords({strip, sizeof(strip[0]), rows}, length * static_cast<int64_t>(sizeof(Element)), tile + c,
                              tile_columns);
        }
    }

private:
    OperandStretches<Element> stretches_;
    int64_t depth_;
};

// Tiles of an operand whose rows are the columns of the matrix: a dword of depth is one row of it, or the pair of two
// rows, interleaved by words, and nothing is transposed.
template <class Element> class ColumnTiles
{
public:
    explicit ColumnTiles(const ScaledOperand& operand)
        : matrix_(operand.matrix), scales_(operand.matrix, false), decoder_(operand.matrix)
    {
    }

    void operator()(int64_t n, int columns, int64_t first, int64_t count, int32_t* tile)
    {
        constexpr int64_t in_dword = 4 / sizeof(Element);
        alignas(cache_line) float scales[2][tile_columns] = {};
        int64_t blocks[2] = {-1, -1}; // whose scales these are
        const int64_t end = std::min((first + count) * in_dword, matrix_.rows);
        for (int64_t row = first * in_dword; row < end; row += 2, tile += 2 / in_dword * tile_columns) {
            const bool has_second = row + 1 < end;
            const uint8_t* codes[2] = {codes_at(row, n), codes_at(row + has_second, n)};
            prefetch(row + tile_depth * in_dword, n);
            prefetch(row + 1 + tile_depth * in_dword, n);
            if (scales_.exist())
                for (int i = 0; i <= has_second; ++i)
                    if (scales_.block_of_row(row + i) != blocks[i]) {
                        blocks[i] = scales_.block_of_row(row + i);
                        scales_.read(row + i, n, columns, scales[i]);
                    }
            fill(decoder_.load(codes[0], codes[1], columns), scales_.exist() ? scales[0] : nullptr, has_second,
                 reinterpret_cast<Element*>(tile));
        }
    }

private:
    const uint8_t* codes_at(int64_t row, int64_t column) const
    {
        return matrix_.row(row) + (matrix_.holds_pairs() ? column / 2 : column);
    }
    void prefetch(int64_t row, int64_t column) const
    {
        const int64_t offset = row * matrix_.row_bytes() + (matrix_.holds_pairs() ? column / 2 : column);
        _mm_prefetch(
            reinterpret_cast<const char*>(reinterpret_cast<uintptr_t>(matrix_.codes) + static_cast<uintptr_t>(offset)),
            _MM_HINT_T1);
    }

    void fill(__m512i codes, const float* scales, bool has_second, float* tile) const
    {
        const Tile numbers = decoder_.floats(codes, scales);
        _mm512_store_ps(tile, numbers.v[0]);
        _mm512_store_ps(tile + 16, numbers.v[1]);
        if (!has_second) return;
        _mm512_store_ps(tile + tile_columns, numbers.v[2]);
        _mm512_store_ps(tile + tile_columns + 16, numbers.v[3]);
    }
#if defined(__AVX512BF16__)
    void fill(__m512i codes, const float* scales, bool has_second, BFloat16* tile) const
    {
        __m512i even, odd;
        decoder_.bfloat16s(codes, scales, even, odd);
        if (!has_second) odd = _mm512_setzero_si512();
        _mm512_store_si512(tile, _mm512_permutex2var_epi16(even, _mm512_load_si512(zip.low), odd));
        _mm512_store_si512(tile + 32, _mm512_permutex2var_epi16(even, _mm512_load_si512(zip.high), odd));
    }
#endif

    const ScaledMatrix& matrix_;
    OperandScales scales_;
    NumberDecoder<Element> decoder_;
};

template <class Element> struct PackedScaledProduct {
    static int64_t packed_bytes(int64_t rows, int64_t depth) { return rows * dwords_of<Element>(depth) * 4; }
    static int64_t workspace_bytes(int64_t rows)
    {
        return packed_product_workspace(static_cast<int>(rows)) * static_cast<int64_t>(sizeof(int32_t));
    }

    static void pack(const ScaledOperand& a, int64_t row, int64_t rows, int64_t first, int64_t last, std::byte* packed)
    {
        OperandStretches<Element> stretches(a);
        pack_panels<Element>(
            RowPanels(static_cast<int>(rows), tile_rows), static_cast<int>(first), static_cast<int>(last), a.depth(),
            reinterpret_cast<int32_t*>(packed),
            [&](int64_t r, int64_t term, int64_t count, Element* to) { stretches.read(row + r, term, count, to); });
    }

    static void multiply(const ScaledProduct& product, const std::byte* packed, const TargetPart& part,
                         std::byte* workspace)
    {
        const FinishRow finish = finish_rows<NumbersSet>.find(product.target_type);
        if (product.a.depth() == 0) { // no register tile would store its sums
            constexpr float sums[packed_group] = {};
            for (int64_t r = 0; r < part.rows; ++r)
                finish(product, part.row + r, part.column, part.columns, sums);
            return;
        }
        const auto multiply_by = [&](auto tiles) {
            packed_product<typename OperandElement<Element>::Product>(
                reinterpret_cast<const int32_t*>(packed), static_cast<int>(part.rows),
                dwords_of<Element>(product.a.depth()), part.column, part.column + part.columns,
                [&](int64_t n, int columns, int64_t first, int64_t count, int32_t* tile) {
                    tiles(n, columns, first, count, tile);
                },
                [&](int row, int64_t column, int count, const float* sums) {
                    finish(product, part.row + row, column, count, sums);
                },
                workspace);
        };
        product.b.transposed ? multiply_by(ColumnTiles<Element>(product.b)) : multiply_by(RowTiles<Element>(product.b));
    }

    static constexpr ScaledProductKernel kernel{packed_bytes, pack, workspace_bytes, multiply};
};

#if defined(__AVX512BF16__)
// Codes have up to 4 digits, scales of NVFP4 as many, and all other ones but float32 are powers of two: bfloat16 has 8.
inline bool is_exact_in_bfloat16(const ScaledMatrix& matrix)
{
    if (matrix.scaling == NBIT_SCALING_TENSOR || scale_type_of(matrix.scaling) != NBIT_DATA_TYPE_FLOAT32) return true;
    for (int64_t i = 0; i < matrix.scale_count(); ++i)
        if (load_element<uint32_t>(matrix.scales, i) & ~infinity_bits) return false;
    return true;
}
#endif

} // namespace

const ScaledProductKernel& scaled_product([[maybe_unused]] const ScaledProduct& product)
{
#if defined(__AVX512BF16__)
    if (is_exact_in_bfloat16(product.a.matrix) && is_exact_in_bfloat16(product.b.matrix))
        return PackedScaledProduct<BFloat16>::kernel;
#endif
    return PackedScaledProduct<float>::kernel;
}

} // namespace nbit::NBIT_AVX512
