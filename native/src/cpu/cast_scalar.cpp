// The casts in portable C++.
#include "cpu/cast.h"
#include "cpu/conversions_scalar.h"
#include "cpu/elements.h"

namespace nbit::scalar
{
namespace
{

template <class Target, class Source>
float cast(const void* __restrict source, int64_t count, float scale, void* __restrict target, bool /*stream*/)
{
    int32_t largest = 0; // bits of a float that is not negative
    for (int64_t i = 0; i < count; ++i) {
        const float value = widen(load_element<Source>(source, i));
        store_element(target, i, narrow<Target>(value * scale));
        const auto magnitude = static_cast<int32_t>(float_bits(value) & magnitude_mask);
        const int32_t number = magnitude > static_cast<int32_t>(infinity_bits) ? 0 : magnitude;
        largest = number > largest ? number : largest;
    }
    return bits_float(static_cast<uint32_t>(largest));
}

} // namespace

constinit const CastTable casts = make_cast_table([]<class Target, class Source> { return cast<Target, Source>; });

} // namespace nbit::scalar
