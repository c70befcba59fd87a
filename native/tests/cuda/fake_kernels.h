// bitsandbytes and cuBLAS on the fake devices: what their kernels compute, with the special cases that they have.
#pragma once
#include "fake_device.h"

namespace nbit::test
{

// Does the work of a call, whose arguments are taken by their names, with memory of the host.
void compute(const fake::Call& call);

// The stream that the work of such a call goes to: the one it is given, or the legacy default stream.
void* stream_of(const fake::Call& call);

} // namespace nbit::test
