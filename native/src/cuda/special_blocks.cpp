#include "cuda/special_blocks.h"
#include "cuda/refusals.h"

#include <algorithm>

namespace nbit::cuda
{
namespace
{

constexpr int64_t piece = 4 << 20;          // elements that are marked at once
constexpr int64_t marking_blocksize = 4096; // the largest, so that the fewest absmax are needed
static_assert(piece / marking_blocksize <= ones_count);

} // namespace

SpecialBlocks::SpecialBlocks(const Launch& launch, const Bitsandbytes& library, const Constants& constants,
                             int32_t type, const void* source, int64_t count, int64_t blocksize)
    : count_(count), blocksize_(std::clamp<int64_t>(std::bit_floor(static_cast<uint64_t>(blocksize)), 64, 4096)),
      blocks_(ceil_divide(count, blocksize_)), marks_(blocks_), absmax_(blocks_)
{
    const auto* search_map = static_cast<const float*>(constants.search_map.address());
    const auto* marking_map = static_cast<const float*>(constants.marking_map.address());
    const auto* ones = static_cast<const float*>(constants.ones.address());
    const int64_t most = std::min(piece, count), size = data_type_size(type);
    const DeviceScratch<uint8_t> codes(launch, most);
    const DeviceScratch<float> marks(launch, blocks_), absmax(launch, blocks_), marked(launch, most);
    on_default_stream(launch, [&] {
        for (int64_t first = 0; first < count; first += piece) {
            const auto length = static_cast<int32_t>(std::min(piece, count - first));
            const auto block = static_cast<int32_t>(blocksize_);
            const int64_t first_block = first / blocksize_;
            library.quantize8[format_index(type)](search_map, static_cast<const char*>(source) + first * size,
                                                  absmax.data() + first_block, codes.data(), block, length);
            library.dequantize8[float32_index](marking_map, codes.data(), ones, marked.data(),
                                               static_cast<int32_t>(marking_blocksize), length, nullptr);
            library.quantize4[NBIT_QUANT_TYPE_NF4 - 1][float32_index](
                nullptr, marked.data(), marks.data() + first_block, codes.data(), block, length);
        }
    });
    launch.to_host(marks_.data(), marks.data(), blocks_ * int64_t{sizeof(float)});
    launch.to_host(absmax_.data(), absmax.data(), blocks_ * int64_t{sizeof(float)});
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
