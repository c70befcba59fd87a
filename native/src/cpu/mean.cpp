#include "cpu/mean.h"
#include "base/float_environment.h"

#include <cmath>

namespace nbit
{

float mean_of_finite(const float* elements, int64_t count) noexcept
{
    const DefaultFloatEnvironment environment;
    double sum = 0;
    int64_t finite = 0;
    for (int64_t i = 0; i < count; ++i) {
        if (!std::isfinite(elements[i])) continue;
        sum += static_cast<double>(elements[i]);
        ++finite;
    }
    return finite == 0 ? 0 : static_cast<float>(sum) / static_cast<float>(finite);
}

} // namespace nbit
