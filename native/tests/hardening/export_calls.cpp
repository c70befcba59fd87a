#include "hardening/export_calls.h"

namespace nbit::test
{

const std::vector<ExportCall>& export_calls()
{
    static const std::vector<ExportCall> all = [] {
        std::vector<ExportCall> calls;
        for (const auto part : {library_calls, block_calls, int8_calls, float8_calls, optimizer_calls}) {
            const std::vector<ExportCall> some = part();
            calls.insert(calls.end(), some.begin(), some.end());
        }
        return calls;
    }();
    return all;
}

BiasArgument bias_argument(Arguments& a, int64_t count)
{
    const int32_t type = a.number_type();
    const void* const elements = a.read_or_null({type, count});
    return {elements ? type : static_cast<int32_t>(a.choices().below(64)), elements}; // without them it is not read
}

} // namespace nbit::test
