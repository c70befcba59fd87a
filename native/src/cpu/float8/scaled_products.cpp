#include "cpu/float8/scaled_products.h"

namespace nbit
{

ChooseScaledProduct scaled_products_of(nbit_instruction_set /*which*/) noexcept { return reference::scaled_product; }

} // namespace nbit
