// Products of scaled matrices in portable C++.
#include "cpu/float8/scaled_products_tiles.h"
#include "cpu/numbers_scalar.h"

namespace nbit::scalar
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

} // namespace nbit::scalar
