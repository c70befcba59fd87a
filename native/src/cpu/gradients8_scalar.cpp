// Gradients of int8 linear layers in portable C++.
#include "cpu/gradients8_tiles.h"
#include "cpu/numbers_scalar.h"

namespace nbit::scalar
{

constinit const Gradients8Table gradients8 = make_plain_gradients8<NumbersSet>();

} // namespace nbit::scalar
