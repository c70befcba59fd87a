#include "abi/codebook8.h"
#include "abi/arguments.h"
#include "abi/context.h"
#include "abi/guard.h"
#include "base/float_environment.h"

#include <algorithm>

using namespace nbit;

namespace
{

constexpr int64_t values_in_book = 256;
constexpr float largest_value = 0x1p126f; // the sum of two is finite

void check_values(const float* values)
{
    for (int i = 0; i < values_in_book; ++i) {
        if (!(std::fabs(values[i]) <= largest_value))
            throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                        "values[%d] is %g; allowed are numbers of at most 2^126 in magnitude (usual are -1 to 1)", i,
                        static_cast<double>(values[i]));
        if (i > 0 && values[i] < values[i - 1])
            throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                        "values[%d] is %g, which is less than values[%d], %g; give the values in rising order", i,
                        static_cast<double>(values[i]), i - 1, static_cast<double>(values[i - 1]));
    }
}

} // namespace

int32_t nbit_codebook8_create(nbit_context* context, const float* values, nbit_codebook8** book)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        nbit_codebook8*& out = required(book, "book");
        check_values(&required(values, "values"));
        const DefaultFloatEnvironment environment;
        out = new nbit_codebook8(c, values);
    });
}

int32_t nbit_codebook8_create_dynamic(nbit_context* context, int32_t is_signed, nbit_codebook8** book)
{
    return guarded([&] {
        const nbit_context& c = required(context, "context");
        nbit_codebook8*& out = required(book, "book");
        if (is_signed != 0 && is_signed != 1)
            throw Error(NBIT_STATUS_INVALID_ARGUMENT, "is_signed is %d; allowed are 0 (unsigned) and 1 (signed)",
                        is_signed);
        const DefaultFloatEnvironment environment;
        out = new nbit_codebook8(c, dynamic_map(is_signed == 1));
    });
}

int32_t nbit_codebook8_destroy(nbit_codebook8* book)
{
    return guarded([&] { delete book; });
}

int32_t nbit_codebook8_get_values(const nbit_codebook8* book, float* values)
{
    return guarded([&] {
        const Codebook8& found = required(book, "book").book;
        std::copy_n(found.value, values_in_book, &required(values, "values"));
    });
}
