#include "hardening/choices.h"

#include <algorithm>

namespace nbit::test
{

uint64_t Choices::bits(int bytes)
{
    uint64_t all = 0;
    for (int i = 0; i < bytes && !bytes_.empty(); ++i) {
        all |= uint64_t{bytes_.front()} << (8 * i);
        bytes_ = bytes_.subspan(1);
    }
    return all;
}

int64_t Choices::below(int64_t limit)
{
    const int bytes = limit <= 1 << 8 ? 1 : limit <= 1 << 16 ? 2 : 8;
    return static_cast<int64_t>(bits(bytes) % static_cast<uint64_t>(std::max<int64_t>(limit, 1)));
}

float Choices::number(float low, float high) { return low + (high - low) * static_cast<float>(bits(2)) / 65535; }

uint64_t RandomBits::next()
{
    uint64_t x = state_ += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

std::vector<uint8_t> random_bytes(uint64_t seed, size_t count)
{
    RandomBits random(seed);
    std::vector<uint8_t> bytes(count);
    std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<uint8_t>(random.next() >> 32); });
    return bytes;
}

} // namespace nbit::test
