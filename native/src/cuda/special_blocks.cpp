#include "cuda/special_blocks.h"
#include "cuda/refusals.h"

#include <algorithm>
#include <limits>

namespace nbit::cuda
{
namespace
{

constexpr int64_t piece = 4 << 20;          // elements that are marked at once
constexpr int32_t marking_blocksize = 4096; // the largest, so that the fewest absmax are needed
static_assert(piece / marking_blocksize <= ones_count);

} // namespace

SpecialBlocks::SpecialBlocks(const Launch& launch, const Bitsandbytes& library, const Constants& constants,
                             const Source& source)
    : source_(source), blocks_(ceil_divide(source.count, source.blocksize)),
      marked_blocksize_(std::clamp<int64_t>(std::bit_floor(static_cast<uint64_t>(source.blocksize)), 64, 4096)),
      marked_blocks_(ceil_divide(source.count, marked_blocksize_)), absmax_(blocks_), marks_(marked_blocks_)
{
    mark(launch, library, constants);
    launch.to_host(absmax_.data(), source.absmax, blocks_ * int64_t{sizeof(float)});
}

void SpecialBlocks::mark(const Launch& launch, const Bitsandbytes& library, const Constants& constants)
{
    const auto* search_map = static_cast<const float*>(constants.search_map.address());
    const auto* marking_map = static_cast<const float*>(constants.marking_map.address());
    const auto* ones = static_cast<const float*>(constants.ones.address());
    const int64_t most = std::min(piece, source_.count), size = data_type_size(source_.type);
    const auto blocksize = static_cast<int32_t>(marked_blocksize_);
    const DeviceScratch<uint8_t> codes(launch, most);
    const DeviceScratch<float> marked(launch, most), ignored_absmax(launch, ceil_divide(most, marked_blocksize_));
    const DeviceScratch<float> marks(launch, marked_blocks_);
    on_default_stream(launch, [&] {
        for (int64_t first = 0; first < source_.count; first += piece) {
            const auto length = static_cast<int32_t>(std::min(piece, source_.count - first));
            const void* elements = static_cast<const char*>(source_.elements) + first * size;
            library.quantize8[format_index(source_.type)](search_map, elements, ignored_absmax.data(), codes.data(),
                                                          blocksize, length);
            library.dequantize8[float32_index](marking_map, codes.data(), ones, marked.data(), marking_blocksize,
                                               length, nullptr);
            library.quantize4[NBIT_QUANT_TYPE_NF4 - 1][float32_index](
                nullptr, marked.data(), marks.data() + first / marked_blocksize_, codes.data(), blocksize, length);
        }
    });
    launch.to_host(marks_.data(), marks.data(), marked_blocks_ * int64_t{sizeof(float)});
}

bool SpecialBlocks::is_special(int64_t block) const noexcept
{
    // Denormal numbers count as zeros, and so does the reciprocal of a number that is larger than this
    constexpr float least = std::numeric_limits<float>::min(), largest = 0x1p126f;
    const float absmax = absmax_.data()[block];
    if (!(absmax >= least && absmax <= largest)) return true;
    const int64_t begin = block * source_.blocksize, end = std::min(begin + source_.blocksize, source_.count);
    const float* const marks = marks_.data();
    return std::any_of(marks + begin / marked_blocksize_, marks + (end - 1) / marked_blocksize_ + 1,
                       [](float found) { return found != 0; });
}

// Quotients are from -1 to 1, so that nothing is nearer to the first number than to the second.
void SpecialBlocks::fill_search_map(float* map)
{
    map[0] = -4;
    for (int i = 1; i < 256; ++i)
        map[i] = static_cast<float>(i - 128) / 127;
}

void SpecialBlocks::fill_marking_map(float* map)
{
    std::fill_n(map, 256, 0.0f);
    map[0] = 1;
}

} // namespace nbit::cuda
