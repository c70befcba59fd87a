// y = x W^T for 1 to 4 rows of x, straight from the canonical bytes.
//
// A vector holds 128 codes of one row of W. Codes are picked where they lie, by a shift and a permute that reads the
// low bits only, so lanes meet the columns in a shuffled order. Instead of the codes, once a weight, x is shuffled,
// once a call. The 8 codes of a dword lie in one block, whatever the block and the row: absmax multiplies the sum of a
// lane.
//
// A row begins somewhere in a dword; see GemvPhases.
#pragma once
#include "cpu/gemv4.h"
#include "cpu/weight4_avx512.h"

namespace nbit::NBIT_AVX512
{
namespace
{

constexpr int64_t gemv_chunk = 128; // elements in 64 bytes
constexpr int64_t in_dword4 = 8;    // elements
// Rows of W that are walked together, times rows of x: x is read once for all of them.
constexpr int gemv_sums = 8;

// How x and the numbers are rounded. absmax and sums are float32.
struct GemvFloat32 {
    static constexpr int vectors = 8; // of 16 float in a chunk
    using Element = float;
    __m512 table;
    float unit = 1;

    explicit GemvFloat32(const float* numbers) : table(_mm512_loadu_ps(numbers)) {}

    __m512i decode(__m512i codes, int vector) const
    {
        return _mm512_castps_si512(_mm512_permutexvar_ps(_mm512_srli_epi32(codes, 4 * vector), table));
    }
    static __m512 multiply(__m512 sum, __m512i weights, __m512i x)
    {
        return _mm512_fmadd_ps(_mm512_castsi512_ps(weights), _mm512_castsi512_ps(x), sum);
    }
    // The elements of a chunk that each vector of weights meets; vectors are so many elements apart.
    static void shuffle(const float* chunk, float* to, int64_t stride)
    {
        const __m512i dwords = _mm512_setr_epi32(0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120);
        for (int v = 0; v < vectors; ++v)
            _mm512_storeu_ps(to + v * stride,
                             _mm512_i32gather_ps(dwords, chunk + 2 * (v / 2) + (v % 2 == 0), sizeof(float)));
    }
};

#if defined(__AVX512BF16__)
struct GemvBFloat16 {
    static constexpr int vectors = 4; // of 32 bfloat16 in a chunk
    using Element = BFloat16;
    __m512i table; // twice, so that bit 4 of an index does not matter
    float unit = 1;

    // The numbers may be stored times any factor, which is undone at the end. 12 makes fp4 exact; 1.437005 halves the
    // rounding error of nf4 (root mean square 1.06e-3 to 0.63e-3), found by trying factors from 1 to 2.
    explicit GemvBFloat16(const float* numbers)
    {
        const __m512 v = _mm512_loadu_ps(numbers);
        float least = infinity;
        for (const float factor : {1.0f, 12.0f, 1.437005f}) {
            const __m512 scaled = _mm512_mul_ps(v, _mm512_set1_ps(factor));
            const __m512 error = _mm512_sub_ps(scaled, rounded<BFloat16>(scaled));
            const float size = _mm512_reduce_add_ps(_mm512_mul_ps(error, error)) / (factor * factor);
            if (size >= least) continue;
            least = size;
            unit = 1 / factor;
            table = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(scaled, scaled));
        }
    }

    __m512i decode(__m512i codes, int vector) const
    {
        return _mm512_permutexvar_epi16(_mm512_srli_epi16(codes, 4 * vector), table);
    }
    static __m512 multiply(__m512 sum, __m512i weights, __m512i x)
    {
        return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(weights), reinterpret_cast<__m512bh>(x));
    }
    static void shuffle(const BFloat16* chunk, BFloat16* to, int64_t stride)
    {
        const auto half = [&](const BFloat16* from) { // every fourth element
            alignas(cache_line) static constexpr uint16_t fourths[32] = {0,  4,  8,  12, 16, 20, 24, 28,
                                                                         32, 36, 40, 44, 48, 52, 56, 60};
            return _mm512_castsi512_si256(_mm512_permutex2var_epi16(
                _mm512_loadu_si512(from), _mm512_load_si512(fourths), _mm512_loadu_si512(from + 32)));
        };
        for (int v = 0; v < vectors; ++v) {
            const BFloat16* first = chunk + 2 * (v / 2) + (v % 2 == 0);
            _mm512_storeu_si512(to + v * stride,
                                _mm512_inserti64x4(_mm512_castsi256_si512(half(first)), half(first + 64), 1));
        }
    }
};
#endif

using Phases = GemvPhases<in_dword4, gemv_chunk>;

inline GemvScales scales_of(const Weight4& weight) { return {weight, weight.blocksize >= 64 ? 64 : 32}; }

// Which of the scales of a row each lane of a chunk has; `dword` is where the row begins.
inline __m512i scale_lanes(const GemvScales& scales, int64_t dword)
{
    const int dwords_log2 = scales.stretch_log2 - 3;
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i begin = _mm512_set1_epi32(static_cast<int>(dword & ((1 << dwords_log2) - 1)));
    return _mm512_srl_epi32(_mm512_add_epi32(lane, begin), _mm_cvtsi32_si128(dwords_log2));
}

// `rows` rows of W, `step` apart, against rows_of_x rows of x.
template <class Compute, int rows_of_x, int rows> class GemvRows
{
public:
    GemvRows(const Weight4& weight, const Compute& compute, const GemvScales& scales, int64_t first_row, int64_t step)
        : compute_(compute), packed_(weight.packed + first_row * weight.columns / in_dword4 * 4),
          row_bytes_(step * weight.columns / 2), elements_(first_row * weight.columns % in_dword4 + weight.columns),
          scale_stride_(scales.stride), scales_in_chunk_(gemv_chunk >> scales.stretch_log2)
    {
        for (int r = 0; r < rows; ++r)
            lanes_[r] = scale_lanes(scales, (first_row + r * step) * weight.columns / in_dword4);
    }

    // sums[m][r]. `ahead`: memory that will be wanted soon, as long as these rows.
    void multiply(const typename Compute::Element* x, const float* scales, uintptr_t ahead, float* sums,
                  int64_t sum_stride, int64_t row_stride) const
    {
        __m512 sum[rows][rows_of_x];
        for (int r = 0; r < rows; ++r)
            for (int m = 0; m < rows_of_x; ++m)
                sum[r][m] = _mm512_setzero_ps();
        const auto chunk = [&]<bool is_whole>(int64_t at, __mmask64 bytes) __attribute__((always_inline))
        {
            __m512i codes[rows];
            __m512 part[rows][rows_of_x];
#pragma GCC unroll 8
            for (int r = 0; r < rows; ++r) {
                const uint8_t* from = packed_ + r * row_bytes_ + at / 2;
                codes[r] = is_whole ? _mm512_loadu_si512(from) : _mm512_maskz_loadu_epi8(bytes, from);
                // In the order of memory: the hardware prefetcher loses track at every end of a row. Into the
                // second-level cache, since x fills the first.
                if (is_whole)
                    _mm_prefetch(reinterpret_cast<const char*>(ahead + static_cast<uintptr_t>(rows * at / 2 + 64 * r)),
                                 _MM_HINT_T1);
#pragma GCC unroll 4
                for (int m = 0; m < rows_of_x; ++m)
                    part[r][m] = _mm512_setzero_ps();
            }
#pragma GCC unroll 8
            for (int v = 0; v < Compute::vectors; ++v) {
                __m512i operand[rows_of_x];
#pragma GCC unroll 4
                for (int m = 0; m < rows_of_x; ++m)
                    operand[m] =
                        _mm512_loadu_si512(x + at * rows_of_x + (v * rows_of_x + m) * (gemv_chunk / Compute::vectors));
#pragma GCC unroll 8
                for (int r = 0; r < rows; ++r) {
                    const __m512i weights = compute_.decode(codes[r], v);
#pragma GCC unroll 4
                    for (int m = 0; m < rows_of_x; ++m)
                        part[r][m] = Compute::multiply(part[r][m], weights, operand[m]);
                }
            }
            const float* chunk_scales = scales + at / gemv_chunk * scales_in_chunk_;
#pragma GCC unroll 8
            for (int r = 0; r < rows; ++r) {
                const __m512 some = _mm512_castps256_ps512(_mm256_loadu_ps(chunk_scales + r * scale_stride_));
                const __m512 scale = _mm512_permutexvar_ps(lanes_[r], some);
#pragma GCC unroll 4
                for (int m = 0; m < rows_of_x; ++m)
                    sum[r][m] = _mm512_fmadd_ps(part[r][m], scale, sum[r][m]);
            }
        };
        int64_t at = 0;
        for (; at + gemv_chunk <= elements_; at += gemv_chunk)
            chunk.template operator()<true>(at, 0);
        if (at < elements_) // bytes beyond the row may be beyond the weight
            chunk.template operator()<false>(at, ~__mmask64{0} >> (64 - (elements_ - at + 1) / 2));
        for (int r = 0; r < rows; ++r)
            for (int m = 0; m < rows_of_x; ++m)
                sums[m * sum_stride + r * row_stride] = _mm512_reduce_add_ps(sum[r][m]) * compute_.unit;
    }

private:
    const Compute& compute_;
    const uint8_t* packed_; // of the dword in which the first row begins
    int64_t row_bytes_, elements_, scale_stride_, scales_in_chunk_;
    __m512i lanes_[rows];
};

// Rows of W that all groups of x meet while they are in the second-level cache; a multiple of the rows of all phases.
constexpr int64_t gemv_batch = gemv_sums * in_dword4;

// Rows [begin, begin + count) of W, up to gemv_batch; sums[m][gemv_batch].
template <class Compute, int rows_of_x>
void gemv_batch_sums(const Weight4& weight, const typename Compute::Element* x, int64_t begin, int64_t count,
                     const Compute& compute, const BlockScaleReader& reader, float* row_scales, float* sums)
{
    constexpr int together = gemv_sums / rows_of_x;
    const Phases phases(weight.columns);
    const GemvScales scales = scales_of(weight);
    const int64_t group = together * phases.count, x_size = phases.size(rows_of_x);
    const auto ahead_of = [&](int64_t row) {
        return reinterpret_cast<uintptr_t>(weight.packed) + static_cast<uintptr_t>(row * weight.columns / 2);
    };
    const auto run = [&]<int rows>(int64_t row, int64_t step, uintptr_t ahead) {
        for (int r = 0; r < rows; ++r)
            scales.read(weight, reader, row + r * step, row_scales + r * scales.stride);
        const GemvRows<Compute, rows_of_x, rows> gemv(weight, compute, scales, row, step);
        gemv.multiply(x + row % phases.count * x_size, row_scales, ahead, sums + (row - begin), gemv_batch, step);
    };
    int64_t n = begin;
    const int64_t end = begin + count;
    for (; n + group <= end; n += group)
        for (int64_t phase = 0; phase < phases.count; ++phase)
            run.template operator()<together>(n + phase, phases.count, ahead_of(n + group + phase * together));
    for (; n < end; ++n)
        run.template operator()<1>(n, 1, ahead_of(n + 1));
}

// What a call needs of a thread's own memory: the scales of rows that are walked together.
inline int64_t gemv_workspace_bytes(const Weight4& weight)
{
    return gemv_sums * scales_of(weight).stride * static_cast<int64_t>(sizeof(float));
}

// Columns [begin, end) of y; x: the groups one after the other; finish(row, n, count, sums) as in packed_product.
template <class Compute, class Finish>
void gemv4(const Weight4& weight, const typename Compute::Element* x, int64_t rows_of_x, int64_t begin, int64_t end,
           const Finish& finish, float* workspace)
{
    static constexpr decltype(&gemv_batch_sums<Compute, 1>) batch_sums[] = {
        gemv_batch_sums<Compute, 1>, gemv_batch_sums<Compute, 2>, gemv_batch_sums<Compute, 3>,
        gemv_batch_sums<Compute, 4>};
    const Compute compute(weight.table);
    const BlockScaleReader reader(weight.scales);
    const Phases phases(weight.columns);
    const GemvGroups groups(rows_of_x);
    for (int64_t n = begin; n < end; n += gemv_batch) {
        const int64_t count = std::min(gemv_batch, end - n);
        for (int64_t group = 0; group < groups.count; ++group) {
            const int64_t first = groups.first(group), rows = groups.rows(group);
            alignas(cache_line) float sums[GemvGroups::most_rows][gemv_batch];
            batch_sums[rows - 1](weight, x + phases.total_size(first), n, count, compute, reader, workspace, sums[0]);
            for (int64_t m = 0; m < rows; ++m)
                finish(first + m, n, count, sums[m]);
        }
    }
}

} // namespace
} // namespace nbit::NBIT_AVX512
