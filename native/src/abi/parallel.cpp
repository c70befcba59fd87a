#include "abi/guard.h"
#include "base/thread_pool.h"

using namespace nbit;

int32_t nbit_parallel_set_backend(nbit_parallel_for parallel_for)
{
    return guarded([&] { set_parallel_backend(parallel_for); });
}
