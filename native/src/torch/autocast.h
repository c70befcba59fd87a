#pragma once

namespace nbit::torch
{

// To be called after each change of the grad mode on this thread.
void grad_mode_changed() noexcept;

} // namespace nbit::torch
