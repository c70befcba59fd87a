#include "recorder.h"

namespace nbit::fake
{

Handler& handler()
{
    static Handler of_process;
    return of_process;
}

void call(const Call& call)
{
    if (!handler()) throw std::logic_error(call.function + " was called outside of a test");
    handler()(call);
}

} // namespace nbit::fake
