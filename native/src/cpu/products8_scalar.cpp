// Products of int8 matrices in portable C++.
#include "cpu/numbers_scalar.h"
#include "cpu/products8_tiles.h"

namespace nbit::scalar
{
namespace
{

struct Products8Set : NumbersSet {
    static constexpr int64_t dot_rows = 1, dot_columns = 1;

    template <int64_t Rows, int64_t Columns>
    static void add_dots(const int8_t* x, int64_t /*x_stride*/, const int8_t* weights, int64_t /*weight_stride*/,
                         int64_t count, int32_t* product, int64_t /*stride*/)
    {
        int32_t sum = 0;
        for (int64_t k = 0; k < count; ++k)
            sum += static_cast<int16_t>(x[k]) * static_cast<int16_t>(weights[k]);
        *product += sum;
    }
};

} // namespace

constinit const Products8Table products8 = make_plain_products8<Products8Set>();

} // namespace nbit::scalar
