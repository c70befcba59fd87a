#include "cpu/cast.h"
#include "abi/arguments.h"
#include "abi/guard.h"
#include "abi/largest.h"
#include "abi/work.h"
#include "base/cpu.h"
#include "base/data_type.h"
#include "cpu/streaming.h"

#include <cmath>

using namespace nbit;

namespace
{

constexpr char wide_formats[] = "float32 (6), float16 (5), bfloat16 (15)";

void check_type(const char* name, int32_t type)
{
    for (const nbit_data_type allowed : cast_formats)
        if (type == allowed) return;
    throw Error(NBIT_STATUS_INVALID_ARGUMENT, "%s is %d (%s); allowed are %s, float8_e4m3fn (24) and float8_e5m2 (23)",
                name, type, data_type_name(type), wide_formats);
}

CastKernel checked_kernel(int32_t source_type, int32_t target_type)
{
    check_type("source_type", source_type);
    check_type("target_type", target_type);
    const CastKernel kernel = casts_of(instruction_set()).find(source_type, target_type);
    if (!kernel)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                    "source_type is %d (%s) and target_type is %d (%s); one of the two must be one of %s. "
                    "Cast to one of these first",
                    source_type, data_type_name(source_type), target_type, data_type_name(target_type), wide_formats);
    return kernel;
}

float checked_scale(const float* scale)
{
    const float value = scale ? *scale : 1;
    if (!std::isfinite(value))
        throw Error(NBIT_STATUS_INVALID_ARGUMENT, "scale is %g; it must be finite. Give null for 1",
                    static_cast<double>(value));
    return value;
}

} // namespace

int32_t nbit_values_cast(nbit_context* context, int32_t source_type, const void* source, int64_t count,
                         int32_t target_type, void* target, const float* scale, float* amax)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        const CastKernel kernel = checked_kernel(source_type, target_type);
        const int64_t source_size = data_type_size(source_type), target_size = data_type_size(target_type);
        const Region from{"source", source, checked_bytes(count, source_size)};
        const Region to{"target", target, checked_bytes(count, target_size)};
        const Region factor{"scale", scale, sizeof(float)}, maximum{"amax", amax, sizeof(float)};
        if (count > 0) {
            require_memory(source, "source");
            require_memory(target, "target");
        }
        require_disjoint(to, from);
        require_disjoint(to, factor);
        require_disjoint(to, maximum);
        require_disjoint(maximum, from);
        require_disjoint(maximum, factor);

        c.run(operation::CastValues{source_type, source, count, target_type, target, scale, amax}, [&] {
            const float multiplier = checked_scale(scale);
            if (count == 0) return;
            const bool stream = should_stream(to.bytes);
            Largest largest;
            share_out(threads_for(c, from.bytes, to.bytes), count, grain_elements, [&](int64_t begin, int64_t end) {
                largest.include(kernel(static_cast<const char*>(source) + begin * source_size, end - begin, multiplier,
                                       static_cast<char*>(target) + begin * target_size, stream));
            });
            if (amax && largest.value() > *amax) *amax = largest.value();
        });
    });
}
