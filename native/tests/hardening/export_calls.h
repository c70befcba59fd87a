// A random call of each export.
#pragma once
#include "hardening/arguments.h"

#include <functional>

namespace nbit::test
{

// What of the results may not depend on where and how a call runs, but for the bits of NaN.
enum class Same {
    on_every_instruction_set, // and number of threads
    on_every_number_of_threads,
    nothing,
};

// Calls that others may not run beside, since they change what the whole process shares.
enum class Reach { call, process };

using Call = std::function<int32_t(nbit_context*)>;
struct ExportCall {
    const char* name;
    Call (*prepare)(Arguments&); // the arguments outlive the call
    Same same = Same::on_every_instruction_set;
    Reach reach = Reach::call;
};

// Every export of nbit.h.
const std::vector<ExportCall>& export_calls();

// Its parts.
std::vector<ExportCall> library_calls();
std::vector<ExportCall> block_calls();
std::vector<ExportCall> int8_calls();
std::vector<ExportCall> float8_calls();
std::vector<ExportCall> optimizer_calls();

// A product's bias.
struct BiasArgument {
    int32_t type;
    const void* elements;
};
BiasArgument bias_argument(Arguments& a, int64_t count);

} // namespace nbit::test
