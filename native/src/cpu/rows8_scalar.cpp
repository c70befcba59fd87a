// int8 quantization by rows and columns in portable C++.
#include "cpu/columns8_tiles.h"
#include "cpu/numbers_scalar.h"

namespace nbit::scalar
{
namespace
{

class TileOutlierScan
{
public:
    explicit TileOutlierScan(float threshold) : threshold_(threshold) {}
    uint64_t include(const Tile& x)
    {
        uint64_t outliers = 0;
        for (int64_t i = 0; i < tile_size; ++i) {
            const bool outlier = std::fabs(x.v[i]) >= threshold_;
            outliers |= static_cast<uint64_t>(outlier) << i;
            largest_ = larger(largest_, outlier ? 0 : magnitude_bits(x.v[i]));
        }
        return outliers;
    }
    float absmax() const { return absmax_from_bits<float>(largest_); }

private:
    float threshold_;
    uint32_t largest_ = 0;
};

struct Rows8Set : NumbersSet {
    using OutlierScan = TileOutlierScan;

    static void raise(uint32_t* bits, const Tile& x)
    {
        for (int64_t i = 0; i < tile_size; ++i)
            bits[i] = larger(bits[i], magnitude_bits(x.v[i]));
    }
    static void store_line(int8_t* target, const int8_t* source, bool /*stream*/)
    {
        std::memcpy(target, source, cache_line);
    }
    static void encode(const Tile& x, const Tile& top, const Tile& scale, int8_t* codes, bool /*stream*/)
    {
        // The sum has no bits below 1, so that the adder rounds the product to an integer, ties to even
        constexpr float to_integer = 12582912; // 1.5 * 2^23
        for (int64_t i = 0; i < tile_size; ++i) {
            const float rounded = x.v[i] * scale.v[i] + to_integer;
            const uint32_t inside = -static_cast<uint32_t>(std::fabs(x.v[i]) <= top.v[i]);
            codes[i] = static_cast<int8_t>(float_bits(rounded) & inside);
        }
    }
};

} // namespace

constinit const Rows8Table rows8 = make_rows8_tiles<Rows8Set>();

} // namespace nbit::scalar
