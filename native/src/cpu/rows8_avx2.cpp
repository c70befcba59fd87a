// int8 quantization by rows and columns with AVX2.
#include "cpu/columns8_tiles.h"
#include "cpu/numbers_avx2.h"

namespace nbit::avx2
{
namespace
{

class TileOutlierScan
{
public:
    explicit TileOutlierScan(float threshold) : threshold_(_mm256_set1_ps(threshold)) {}
    uint64_t include(const Tile& x)
    {
        uint64_t outliers = 0;
        for (int j = 0; j < 4; ++j) {
            const __m256 magnitude = absolute(x.v[j]), outlier = _mm256_cmp_ps(magnitude, threshold_, _CMP_GE_OQ);
            largest_ = _mm256_max_epi32(largest_, _mm256_castps_si256(_mm256_andnot_ps(outlier, magnitude)));
            outliers |= static_cast<uint64_t>(_mm256_movemask_ps(outlier)) << (8 * j);
        }
        return outliers;
    }
    float absmax() const { return absmax_from_bits<float>(largest_lane(largest_, static_cast<const float*>(nullptr))); }

private:
    __m256 threshold_;
    __m256i largest_ = _mm256_setzero_si256();
};

struct Rows8Set : NumbersSet {
    using OutlierScan = TileOutlierScan;

    static void raise(uint32_t* bits, const Tile& x)
    {
        auto* lanes = reinterpret_cast<__m256i*>(bits);
        for (int j = 0; j < 4; ++j) {
            const __m256i magnitude = _mm256_castps_si256(absolute(x.v[j]));
            _mm256_storeu_si256(lanes + j, _mm256_max_epi32(_mm256_loadu_si256(lanes + j), magnitude));
        }
    }
    static void store_line(int8_t* target, const int8_t* source, bool stream)
    {
        const auto* halves = reinterpret_cast<const __m256i*>(source);
        avx2::store(target, _mm256_load_si256(halves), stream);
        avx2::store(target + 32, _mm256_load_si256(halves + 1), stream);
    }
    static void encode(const Tile& x, const Tile& top, const Tile& scale, int8_t* codes, bool stream)
    {
        const auto code = [&](int j) {
            const __m256 inside = _mm256_cmp_ps(absolute(x.v[j]), top.v[j], _CMP_LE_OQ);
            return _mm256_cvtps_epi32(_mm256_and_ps(_mm256_mul_ps(x.v[j], scale.v[j]), inside));
        };
        const __m256i bytes =
            _mm256_packs_epi16(_mm256_packs_epi32(code(0), code(1)), _mm256_packs_epi32(code(2), code(3)));
        // Undoes the packs' order by lanes
        const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
        avx2::store(codes, _mm256_permutevar8x32_epi32(bytes, order), stream);
    }
};

} // namespace

constinit const Rows8Table rows8 = make_rows8_tiles<Rows8Set>();

} // namespace nbit::avx2
