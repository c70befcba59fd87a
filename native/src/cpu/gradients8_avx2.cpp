// Gradients of int8 linear layers with AVX2.
#include "cpu/gradients8_tiles.h"
#include "cpu/numbers_avx2.h"

namespace nbit::avx2
{

constinit const Gradients8Table gradients8 = make_plain_gradients8<NumbersSet>();

} // namespace nbit::avx2
