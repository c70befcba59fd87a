// The loops of the 4-bit block kernels of all instruction sets.
#pragma once
#include "cpu/blocks4.h"
#include "cpu/blocks_tiles.h"

namespace nbit
{
namespace
{

// An instruction set brings what blocks_tiles.h names, and
//   Encoder4<Code>().encode(elements, first, second, packed, stream): the codes of a tile, whose halves have the
//     reciprocals first and second;
//   Decoder4<Target>().table(numbers, scale): the 16 numbers of a block, rounded to the target, and
//     .decode(packed, first, second, target, stream): a tile whose halves have the tables first and second.

template <class Code, class Source>
[[gnu::noinline]] void quantize_special_block4(const Source* source, int64_t count, float absmax, uint8_t* packed)
{
    const auto code = [&](int64_t i) {
        return i < count ? special_code4<Code>(to_float(load_element<Source>(source, i)), absmax) : Code::zero;
    };
    for (int64_t i = 0; i < count; i += 2)
        packed[i / 2] = static_cast<uint8_t>(code(i) << 4 | code(i + 1));
}

template <class Set, class Code, class Source> class BlockCoder4
{
public:
    BlockCoder4(const Source* source, uint8_t* packed, bool stream) : source_(source), packed_(packed), stream_(stream)
    {
    }
    void encode(int64_t i, float first, float second) const
    {
        encoder_.encode(source_ + i, first, second, packed_ + i / 2, stream_);
    }
    void encode_part(int64_t i, int64_t count, float reciprocal) const
    {
        constexpr int64_t size = Set::tile_size;
        const PaddedTile<Source, size> padded(source_ + i, count);
        alignas(cache_line) uint8_t bytes[size / 2];
        encoder_.encode(padded.data, reciprocal, reciprocal, bytes, false);
        std::memcpy(packed_ + i / 2, bytes, static_cast<size_t>(count + 1) / 2);
    }
    void encode_special(int64_t i, int64_t count, float absmax) const
    {
        quantize_special_block4<Code>(source_ + i, count, absmax, packed_ + i / 2);
    }

private:
    const Source* source_;
    uint8_t* packed_;
    bool stream_;
    typename Set::template Encoder4<Code> encoder_;
};

template <class Set, class Code, class Source>
void quantize_blocks4(const void* from, int64_t count, int64_t blocksize, float* absmax, uint8_t* packed, bool stream)
{
    const auto* source = static_cast<const Source*>(from);
    stream = stream && is_aligned(packed, Set::tile_size / 2);
    const BlockCoder4<Set, Code, Source> coder(source, packed, stream);
    BlockWalk<Set, Source, const BlockCoder4<Set, Code, Source>>(source, blocksize, absmax, coder).quantize(count);
    if (stream) Set::finish_stream();
}

template <class Set, class Code, class Target>
void dequantize_blocks4(const uint8_t* packed, const BlockScales& scales, int64_t count, int64_t blocksize, void* to,
                        bool stream)
{
    constexpr int64_t size = Set::tile_size;
    auto* target = static_cast<Target*>(to);
    const typename Set::template Decoder4<Target> decoder;
    const auto table = [&](int64_t block) { return decoder.table(Code::table.data(), scale_of_block(scales, block)); };
    stream = stream && is_aligned(target, Set::vector_bytes);
    int64_t i = 0;
    if (blocksize < size)
        for (; i + size <= count; i += size)
            decoder.decode(packed + i / 2, table(i / blocksize), table(i / blocksize + 1), target + i, stream);
    else
        for (int64_t begin = 0; begin + size <= count; begin += blocksize) {
            const auto products = table(begin / blocksize);
            for (const int64_t end = std::min(begin + blocksize, count); i + size <= end; i += size)
                decoder.decode(packed + i / 2, products, products, target + i, stream);
        }
    if (stream) Set::finish_stream();
    if (i == count) return;
    alignas(cache_line) uint8_t bytes[size / 2] = {};
    alignas(cache_line) Target numbers[size];
    std::memcpy(bytes, packed + i / 2, static_cast<size_t>(count - i + 1) / 2);
    decoder.decode(bytes, table(i / blocksize), table((count - 1) / blocksize), numbers, false);
    std::memcpy(static_cast<void*>(target + i), numbers, static_cast<size_t>(count - i) * sizeof(Target));
}

// The table of an instruction set.
template <class Set> consteval Blocks4Table make_blocks4_tiles()
{
    return make_blocks4_table([]<class Code, class Source> { return quantize_blocks4<Set, Code, Source>; },
                              []<class Code, class Target> { return dequantize_blocks4<Set, Code, Target>; });
}

} // namespace
} // namespace nbit
