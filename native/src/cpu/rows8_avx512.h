// int8 quantization by rows and columns with AVX-512, compiled with and without the bfloat16 instructions.
#pragma once
#include "cpu/columns8_tiles.h"
#include "cpu/numbers_avx512.h"

namespace nbit::NBIT_AVX512
{
namespace
{

class TileOutlierScan
{
public:
    explicit TileOutlierScan(float threshold) : threshold_(_mm512_set1_ps(threshold)) {}
    uint64_t include(const Tile& x)
    {
        return _mm512_kunpackd(_mm512_kunpackw(include(x.v[3]), include(x.v[2])),
                               _mm512_kunpackw(include(x.v[1]), include(x.v[0])));
    }
    float absmax() const { return absmax_from_bits<float>(static_cast<uint32_t>(_mm512_reduce_max_epi32(largest_))); }

private:
    __mmask16 include(__m512 x)
    {
        const __m512 magnitude = _mm512_abs_ps(x);
        const __mmask16 outlier = _mm512_cmp_ps_mask(magnitude, threshold_, _CMP_GE_OQ);
        largest_ = _mm512_mask_max_epi32(largest_, _mm512_knot(outlier), largest_, _mm512_castps_si512(magnitude));
        return outlier;
    }

    __m512 threshold_;
    __m512i largest_ = _mm512_setzero_si512();
};

struct Rows8Set : NumbersSet {
    using OutlierScan = TileOutlierScan;

    static void raise(uint32_t* bits, const Tile& x)
    {
        for (int j = 0; j < 4; ++j) {
            const __m512i magnitude = _mm512_castps_si512(_mm512_abs_ps(x.v[j]));
            _mm512_storeu_si512(bits + 16 * j, _mm512_max_epi32(_mm512_loadu_si512(bits + 16 * j), magnitude));
        }
    }
    static void store_line(int8_t* target, const int8_t* source, bool stream)
    {
        NBIT_AVX512::store(target, _mm512_load_si512(source), stream);
    }
    static void encode(const Tile& x, const Tile& top, const Tile& scale, int8_t* codes, bool stream)
    {
        const auto code = [&](int j) {
            const __mmask16 inside = _mm512_cmp_ps_mask(_mm512_abs_ps(x.v[j]), top.v[j], _CMP_LE_OQ);
            return _mm512_maskz_cvtps_epi32(inside, _mm512_mul_ps(x.v[j], scale.v[j]));
        };
        const __m512i bytes =
            _mm512_packs_epi16(_mm512_packs_epi32(code(0), code(1)), _mm512_packs_epi32(code(2), code(3)));
        // Undoes the packs' order by lanes
        const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        NBIT_AVX512::store(codes, _mm512_permutexvar_epi32(order, bytes), stream);
    }
};

} // namespace

constinit const Rows8Table rows8 = make_rows8_tiles<Rows8Set>();

} // namespace nbit::NBIT_AVX512
