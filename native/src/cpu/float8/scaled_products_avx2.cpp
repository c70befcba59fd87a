// Products of scaled matrices with AVX2.
#include "cpu/float8/scaled_products_tiles.h"
#include "cpu/numbers_avx2.h"

namespace nbit::avx2
{
namespace
{

struct ScaledProductsSet : NumbersSet {
    static const ScaledRowsTable& rows() { return scaled_rows; }
};

} // namespace

const ScaledProductKernel& scaled_product(const ScaledProduct&)
{
    return PlainScaledProduct<ScaledProductsSet>::kernel;
}

} // namespace nbit::avx2
