#include "hardening/export_calls.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace
{

TEST(ExportCalls, AreThoseOfTheListOfExports)
{
    std::vector<std::string> listed = {
#include "exports.inc"
    };
    std::vector<std::string> called;
    for (const auto& call : nbit::test::export_calls())
        called.emplace_back(call.name);
    std::sort(listed.begin(), listed.end());
    std::sort(called.begin(), called.end());
    EXPECT_EQ(called, listed) << "give each export a random call, in one of the files *_calls.cpp here";
}

} // namespace
