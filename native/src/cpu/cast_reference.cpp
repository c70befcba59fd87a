// The plain twin of the casts: what every kernel must compute.
#include "cpu/cast.h"
#include "cpu/elements.h"

namespace nbit::reference
{
namespace
{

template <class Target, class Source>
float cast(const void* source, int64_t count, float scale, void* target, bool /*stream*/)
{
    float largest = 0;
    for (int64_t i = 0; i < count; ++i) {
        const float value = to_float(load_element<Source>(source, i));
        store_element(target, i, from_float<Target>(value * scale));
        if (std::fabs(value) > largest) largest = std::fabs(value);
    }
    return largest;
}

} // namespace

constinit const CastTable casts = make_cast_table([]<class Target, class Source> { return cast<Target, Source>; });

} // namespace nbit::reference
