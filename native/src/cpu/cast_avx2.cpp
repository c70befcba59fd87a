// The casts with AVX2, FMA and F16C.
#include "cpu/cast.h"
#include "cpu/cast_tiles.h"
#include "cpu/common_avx2.h"
#include "cpu/float8_avx2.h"

namespace nbit::avx2
{
namespace
{

template <class Source> struct CastReader {
    Tile read(const Source* x) const { return load_tile(x); }
};
template <Float8 Source> struct CastReader<Source> {
    Float8Decoder<Source> decoder;
    Tile read(const Source* x) const { return decoder.decode(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x))); }
};

template <class Target> struct CastWriter {
    __m256 factor;
    explicit CastWriter(float scale) : factor(_mm256_set1_ps(scale)) {}
    void write(Target* y, const Tile& x, bool stream) const { store_tile(y, scaled(x, factor), stream); }
};
template <Float8 Target> struct CastWriter<Target> {
    Float8Encoder<Target> encoder;
    explicit CastWriter(float scale) : encoder(scale) {}
    void write(Target* y, const Tile& x, bool stream) const { store(y, encoder.encode(x), stream); }
};

class CastMaximum
{
public:
    void include(const Tile& x)
    {
        for (int j = 0; j < 4; ++j) // the order of the operands keeps the maximum where the element is NaN
            lanes_[j & 1] = _mm256_max_ps(absolute(x.v[j]), lanes_[j & 1]);
    }
    float reduce() const
    {
        const __m256 all = _mm256_max_ps(lanes_[0], lanes_[1]);
        __m128 most = _mm_max_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
        most = _mm_max_ps(most, _mm_movehl_ps(most, most));
        return _mm_cvtss_f32(_mm_max_ss(most, _mm_movehdup_ps(most)));
    }

private:
    __m256 lanes_[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
};

struct CastSet {
    static constexpr int64_t vector_bytes = 32, tile_size = avx2::tile_size;
    template <class Source> using Reader = CastReader<Source>;
    template <class Target> using Writer = CastWriter<Target>;
    using Maximum = CastMaximum;
    static void finish_stream() { avx2::finish_stream(); }
};

} // namespace

constinit const CastTable casts =
    make_cast_table([]<class Target, class Source> { return cast_tiles<CastSet, Target, Source>; });

} // namespace nbit::avx2
