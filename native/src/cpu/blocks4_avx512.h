// 4-bit block quantization with AVX-512, compiled with and without the bfloat16 instructions.
#pragma once
#include "cpu/blocks4_tiles.h"
#include "cpu/blocks_avx512.h"

namespace nbit::NBIT_AVX512
{
namespace
{

// Encoding replaces the comparisons with all thresholds by one. The numbers that are nearest to one multiple of 1/15
// form a cell; thresholds are farther apart than cells are wide (0.080 and more), so that a cell holds at most one. The
// rank of a value is the number of thresholds below its cell, plus one if the cell's own threshold is below the value.
// A fused multiply-add with 1.5 * 2^23 leaves the cell's number in the low bits of the sum; rounding is monotone, so a
// cell is an interval of floats.
constexpr float cells_in_one = 15, to_low_bits = 12582912;

constexpr int cell_of(float threshold) // exact, and none lies between two cells
{
    const double cells = static_cast<double>(threshold) * cells_in_one;
    return static_cast<int>(cells < 0 ? cells - 0.5 : cells + 0.5);
}

// Entry c & (count - 1) is for cell c: permutes read the low bits only.
template <int count> struct Cells {
    alignas(64) float threshold[count];
    alignas(64) uint32_t rank[count];

    template <size_t thresholds> explicit consteval Cells(const std::array<float, thresholds>& all, int first_cell)
    {
        for (int cell = first_cell; cell < first_cell + count; ++cell) {
            const int entry = cell & (count - 1);
            threshold[entry] = infinity;
            rank[entry] = 0;
            for (const float one : all) {
                rank[entry] += cell_of(one) < cell;
                if (cell_of(one) == cell) threshold[entry] = one;
            }
        }
    }
};

template <size_t count> consteval bool have_cells_of_their_own(const std::array<float, count>& thresholds)
{
    for (size_t i = 1; i < count; ++i)
        if (thresholds[i] - thresholds[i - 1] < 1.001f / cells_in_one) return false;
    return true;
}
static_assert(have_cells_of_their_own(Nf4::thresholds) && have_cells_of_their_own(Fp4::thresholds));

template <class Code> class CodeEncoder;

template <> class CodeEncoder<Nf4>
{
public:
    __m512i encode(__m512 scaled) const
    {
        const __m512i cell = _mm512_castps_si512(_mm512_fmadd_ps(scaled, in_one_, to_low_bits_));
        const __m512 threshold = _mm512_permutex2var_ps(low_thresholds_, cell, high_thresholds_);
        const __m512i rank = _mm512_permutex2var_epi32(low_ranks_, cell, high_ranks_);
        return _mm512_mask_add_epi32(rank, _mm512_cmp_ps_mask(scaled, threshold, _CMP_GT_OQ), rank, one_);
    }
    __m512i finish(__m512i bytes) const { return bytes; }

private:
    static constexpr Cells<32> cells{Nf4::thresholds, -16};
    __m512 low_thresholds_ = _mm512_load_ps(cells.threshold), high_thresholds_ = _mm512_load_ps(cells.threshold + 16);
    __m512i low_ranks_ = _mm512_load_si512(cells.rank), high_ranks_ = _mm512_load_si512(cells.rank + 16);
    __m512 in_one_ = _mm512_set1_ps(cells_in_one), to_low_bits_ = _mm512_set1_ps(to_low_bits);
    __m512i one_ = _mm512_set1_epi32(1);
};

template <> class CodeEncoder<Fp4> // ranks the magnitude, and puts the sign in bit 3
{
public:
    __m512i encode(__m512 scaled) const
    {
        const __m512 magnitude = _mm512_abs_ps(scaled);
        const __m512i cell = _mm512_castps_si512(_mm512_fmadd_ps(magnitude, in_one_, to_low_bits_));
        const __m512 threshold = _mm512_permutexvar_ps(cell, thresholds_);
        __m512i rank = _mm512_permutexvar_epi32(cell, ranks_);
        rank = _mm512_mask_add_epi32(rank, _mm512_cmp_ps_mask(magnitude, threshold, _CMP_GT_OQ), rank, one_);
        return _mm512_mask_or_epi32(rank, _mm512_cmp_ps_mask(scaled, _mm512_setzero_ps(), _CMP_LT_OQ), rank, sign_);
    }
    __m512i finish(__m512i bytes) const { return _mm512_shuffle_epi8(code_of_rank_, bytes); }

private:
    static constexpr Cells<16> cells{Fp4::thresholds, 0};
    __m512 thresholds_ = _mm512_load_ps(cells.threshold);
    __m512i ranks_ = _mm512_load_si512(cells.rank);
    __m512 in_one_ = _mm512_set1_ps(cells_in_one), to_low_bits_ = _mm512_set1_ps(to_low_bits);
    __m512i one_ = _mm512_set1_epi32(1), sign_ = _mm512_set1_epi32(Fp4::sign);
    __m512i code_of_rank_ = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 6, 7, 4, 5, 2, 3, 8, 9, 14, 15, 12, 13, 10, 11));
};

template <class Code> class TileEncoder4
{
public:
    template <class Source> void encode(const Source* x, float first, float second, uint8_t* packed, bool stream) const
    {
        const Tile tile = scaled(load_tile(x), first, second);
        const auto codes = [&](int j) { return encoder_.encode(tile.v[j]); };
        const __m512i bytes =
            _mm512_packus_epi16(_mm512_packus_epi32(codes(0), codes(1)), _mm512_packus_epi32(codes(2), codes(3)));
        const __m512i pairs = _mm512_maddubs_epi16(encoder_.finish(bytes), _mm512_set1_epi16(0x0110));
        const __m256i ordered = _mm512_castsi512_si256(_mm512_permutexvar_epi8(order_, pairs));
        auto* target = reinterpret_cast<__m256i*>(packed);
        stream ? _mm256_stream_si256(target, ordered) : _mm256_storeu_si256(target, ordered);
    }

private:
    // Takes the low byte of each pair and undoes the packs' order by lanes.
    alignas(64) static constexpr uint8_t lanes[64] = {0, 2,  16, 18, 32, 34, 48, 50, 4,  6,  20, 22, 36, 38, 52, 54,
                                                      8, 10, 24, 26, 40, 42, 56, 58, 12, 14, 28, 30, 44, 46, 60, 62};
    CodeEncoder<Code> encoder_;
    __m512i order_ = _mm512_load_si512(lanes);
};

// An element is one permute of its block's 16 numbers, whose codes are spread over the lanes before: the two codes of
// a byte go to neighbours, of which the even one shifts the upper half down. Permutes ignore the bits above.
template <class Target> class TileDecoder4
{
public:
    TileDecoder4()
    {
        for (int j = 0; j < vectors; ++j)
            spread_[j] = _mm512_load_si512(spread.index[j]);
    }
    static __m512i table(const float* numbers, float scale)
    {
        const __m512 products = _mm512_mul_ps(_mm512_loadu_ps(numbers), _mm512_set1_ps(scale));
        if constexpr (is_float32) {
            return _mm512_castps_si512(products);
        } else { // twice, so that bit 4 of an index does not matter
            alignas(64) Target rounded[32];
            store32(rounded, products, products, false);
            return _mm512_load_si512(rounded);
        }
    }
    void decode(const uint8_t* packed, __m512i first, __m512i second, Target* y, bool stream) const
    {
        const __m512i bytes = _mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(packed)));
        for (int j = 0; j < vectors; ++j) {
            const __m512i spread_bytes = _mm512_permutexvar_epi8(spread_[j], bytes);
            const __m512i table = 2 * j < vectors ? first : second;
            if constexpr (is_float32)
                store(y + lanes * j, _mm512_permutexvar_epi32(_mm512_srlv_epi32(spread_bytes, shift_), table), stream);
            else
                store(y + lanes * j, _mm512_permutexvar_epi16(_mm512_srlv_epi16(spread_bytes, shift_), table), stream);
        }
    }

private:
    static constexpr bool is_float32 = std::same_as<Target, float>;
    static constexpr int vectors = static_cast<int>(sizeof(Target)), lanes = 64 / vectors;
    struct Spread {
        alignas(64) uint8_t index[vectors][64];
        consteval Spread()
        {
            for (int j = 0; j < vectors; ++j)
                for (int byte = 0; byte < 64; ++byte)
                    index[j][byte] = static_cast<uint8_t>((lanes * j + byte / vectors) / 2);
        }
    };
    static constexpr Spread spread{};
    __m512i spread_[vectors], shift_ = is_float32 ? _mm512_set1_epi64(4) : _mm512_set1_epi32(4);
};

struct Blocks4Set : BlocksSet {
    template <class Code> using Encoder4 = TileEncoder4<Code>;
    template <class Target> using Decoder4 = TileDecoder4<Target>;
};

} // namespace

constinit const Blocks4Table blocks4 = make_blocks4_tiles<Blocks4Set>();

} // namespace nbit::NBIT_AVX512
