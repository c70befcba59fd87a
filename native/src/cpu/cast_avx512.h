// The casts with AVX-512, compiled with and without the bfloat16 instructions.
#pragma once
#include "cpu/cast.h"
#include "cpu/cast_tiles.h"
#include "cpu/common_avx512.h"
#include "cpu/float8_avx512.h"

namespace nbit::NBIT_AVX512
{
namespace
{

template <class Source> struct CastReader {
    Tile read(const Source* x) const { return load_tile(x); }
};
template <Float8 Source> struct CastReader<Source> {
    Float8Decoder<Source> decoder;
    Tile read(const Source* x) const { return decoder.decode(_mm512_loadu_si512(x)); }
};

template <class Target> struct CastWriter {
    __m512 factor;
    explicit CastWriter(float scale) : factor(_mm512_set1_ps(scale)) {}
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
            lanes_[j & 1] = _mm512_max_ps(_mm512_abs_ps(x.v[j]), lanes_[j & 1]);
    }
    float reduce() const { return _mm512_reduce_max_ps(_mm512_max_ps(lanes_[0], lanes_[1])); }

private:
    __m512 lanes_[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
};

struct CastSet {
    static constexpr int64_t vector_bytes = 64, tile_size = NBIT_AVX512::tile_size;
    template <class Source> using Reader = CastReader<Source>;
    template <class Target> using Writer = CastWriter<Target>;
    using Maximum = CastMaximum;
    static void finish_stream() { NBIT_AVX512::finish_stream(); }
};

} // namespace

constinit const CastTable casts =
    make_cast_table([]<class Target, class Source> { return cast_tiles<CastSet, Target, Source>; });

} // namespace nbit::NBIT_AVX512
