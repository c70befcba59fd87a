#include "abi/guard.h"
#include "abi/largest.h"
#include "abi/scaled_arguments.h"
#include "abi/work.h"
#include "base/cpu.h"
#include "cpu/float8/amax_history.h"
#include "cpu/float8/scaled_rows.h"

using namespace nbit;

namespace
{

// The largest magnitude of `count` elements, taken as rows of a matrix.
float amax_of(RaiseLargest raise, const char* source, int64_t count, int64_t element_size)
{
    constexpr int64_t columns = 1024;
    float largest[columns] = {};
    const int64_t rows = count / columns, rest = count % columns;
    raise(source, {rows, columns, columns}, largest);
    if (rest > 0) raise(source + rows * columns * element_size, {1, rest, rest}, largest);
    return *std::max_element(largest, largest + columns);
}

template <class Enum> Enum checked_choice(const char* name, int32_t value, Enum last, const char* allowed)
{
    if (value < 0 || value > last)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT, "%s is %d; allowed are %s", name, value, allowed);
    return static_cast<Enum>(value);
}

} // namespace

int32_t nbit_amax_compute(nbit_context* context, int32_t source_type, const void* source, int64_t count, float* amax)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        const RaiseLargest raise = checked_kernel(scaled_rows_of(instruction_set()).raise, "source_type", source_type);
        const int64_t size = data_type_size(source_type);
        const Region from{"source", source, checked_bytes(count, size)}, to{"amax", amax, sizeof(float)};
        require_memory({from, to});
        require_disjoint(to, from);

        c.run(operation::ComputeAmax{source_type, source, count, amax}, [&] {
            Largest largest;
            share_out(threads_for(c, from.bytes, 0), count, grain_elements, [&](int64_t begin, int64_t end) {
                largest.include(amax_of(raise, static_cast<const char*>(source) + begin * size, end - begin, size));
            });
            *amax = largest.value();
        });
    });
}

int32_t nbit_scale_compute(nbit_context* context, int32_t format, int32_t power_of_two, float epsilon,
                           const float* amax, int64_t count, float* scale, float* scale_inverse)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        require_float8_format("format", format);
        const ScaleRule rule{largest_of(format), checked_flag("power_of_two", power_of_two), epsilon, largest_float};
        require_finite("epsilon", epsilon, epsilon >= 0, "finite numbers, 0 or more");
        const int64_t bytes = checked_bytes(count, sizeof(float));
        const Region from{"amax", amax, bytes}, to{"scale", scale, bytes},
            inverses{"scale_inverse", scale_inverse, bytes};
        require_memory({from, to, inverses});
        require_disjoint({to, inverses}, {from});

        c.run(operation::ComputeScale{format, rule.power_of_two, epsilon, amax, count, scale, scale_inverse}, [&] {
            const DefaultFloatEnvironment environment;
            for (int64_t i = 0; i < count; ++i) {
                scale[i] = rule.scale(amax[i]);
                scale_inverse[i] = 1 / scale[i];
            }
        });
    });
}

int32_t nbit_amax_history_update(nbit_context* context, int32_t rule, int32_t algorithm, int32_t format, float margin,
                                 float* history, int64_t length, int64_t columns, float* scale)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        const auto variant =
            checked_choice("rule", rule, NBIT_HISTORY_RULE_UNFUSED, "fused (0), single_tensor (1) and unfused (2)");
        const auto choice =
            checked_choice("algorithm", algorithm, NBIT_AMAX_ALGORITHM_MOST_RECENT, "max (0) and most_recent (1)");
        require_float8_format("format", format);
        require_finite("margin", margin, true, "finite numbers (0 is usual)");
        if (length < 1)
            throw Error(NBIT_STATUS_INVALID_ARGUMENT, "length is %lld; a history has 1 row or more (1024 are usual)",
                        static_cast<long long>(length));
        const Region rows{"history", history, checked_bytes({"length", length}, {"columns", columns}, sizeof(float))};
        const Region scales{"scale", scale, checked_bytes(columns, sizeof(float))};
        require_memory({rows, scales});
        require_disjoint(rows, scales);

        c.run(operation::UpdateAmaxHistory{rule, algorithm, format, margin, history, length, columns, scale}, [&] {
            const DefaultFloatEnvironment environment;
            update_history({variant, choice, largest_of(format), margin}, {history, length, columns, scale});
        });
    });
}
