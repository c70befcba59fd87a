#include "cpu/float8/hadamard.h"
#include "abi/arguments.h"
#include "abi/guard.h"
#include "abi/work.h"

using namespace nbit;

int32_t nbit_hadamard_transform(nbit_context* context, const uint16_t* source, int64_t rows, int64_t columns,
                                uint16_t* target)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        const int64_t size = data_type_size(NBIT_DATA_TYPE_BFLOAT16), groups = ceil_divide(rows, hadamard_size);
        constexpr int64_t most_rows = INT64_MAX - hadamard_size; // whose number can be rounded up
        if (rows > most_rows)
            throw Error(NBIT_STATUS_INVALID_ARGUMENT, "rows is %lld; at most %lld are allowed",
                        static_cast<long long>(rows), static_cast<long long>(most_rows));
        const Region from{"source", source, checked_bytes(rows, columns, size)};
        const Region to{"target", target, checked_bytes(groups * hadamard_size, columns, size)};
        require_memory({from, to});
        require_disjoint(to, from);

        c.run(operation::TransformHadamard{source, rows, columns, target}, [&] {
            constexpr int64_t width = 1024; // columns of a piece of work
            const int64_t across = ceil_divide(columns, width);
            share_out(threads_for(c, from.bytes, to.bytes), groups * across, 1, [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i) {
                    const int64_t column = i % across * width, count = std::min(width, columns - column);
                    transform_group({source, rows, columns}, i / across, column, count, target);
                }
            });
        });
    });
}
