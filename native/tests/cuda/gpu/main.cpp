// Compares a GPU with golden data and with the CPU, through the real libraries. Its last lines are a table, or why
// there is none. Usage: nbit_gpu_check GOLDEN_DIRECTORY [DEVICE]
#include "checks.h"
#include "cuda/libraries.h"

#include <cstdlib>
#include <iostream>

using namespace nbit;

namespace
{

constexpr int skipped = 77; // CTest's usual code for it

int skip(const char* what, const std::string& why)
{
    std::cout << why << "\nskipped: " << what << '\n';
    return skipped;
}

// Why neither of the libraries with kernels can be used; empty where one can.
std::string missing(cuda::Libraries& libraries)
{
    std::string why;
    try {
        libraries.bitsandbytes();
        return {};
    } catch (const Error& error) {
        why = error.what();
    }
    try {
        libraries.transformer_engine();
        return {};
    } catch (const Error& error) {
        return why + "\n" + error.what();
    }
}

} // namespace

int main(int count, char** arguments)
{
    if (count < 2) {
        std::cerr << "usage: nbit_gpu_check GOLDEN_DIRECTORY [DEVICE]\n";
        return EXIT_FAILURE;
    }
    cuda::Libraries& libraries = cuda::libraries();
    try {
        if (libraries.runtime().device_count() == 0) {
            std::cout << "skipped: no CUDA device\n";
            return skipped;
        }
    } catch (const Error& error) {
        return skip("library not found", error.what());
    }
    if (const std::string why = missing(libraries); !why.empty()) return skip("library not found", why);
    try {
        for (const int32_t library :
             {NBIT_CUDA_LIBRARY_RUNTIME, NBIT_CUDA_LIBRARY_BITSANDBYTES, NBIT_CUDA_LIBRARY_TRANSFORMER_ENGINE})
            std::cout << libraries.describe(library) << "\n\n";
        gpu::Checks checks(libraries.runtime(), count > 2 ? std::atoi(arguments[2]) : 0);
        gpu::check_golden_blocks(checks, arguments[1]);
        gpu::check_blocks(checks);
        gpu::check_products(checks);
        gpu::check_optimizers(checks);
        gpu::check_golden_float8(checks, arguments[1]);
        gpu::check_scaled_matrices(checks);
        checks.print(std::cout);
        return checks.has_failed() ? EXIT_FAILURE : EXIT_SUCCESS;
    } catch (const std::exception& error) {
        std::cout << "failed: " << error.what() << '\n';
        return EXIT_FAILURE;
    }
}
