// The functions that the adapters look up are those of the tables, with the same types in the same order.
#include "cuda/bitsandbytes_functions.h"
#include "cuda/cublas.h"
#include "cuda/runtime_functions.h"
#include "cuda/transformer_engine_functions.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <string>

namespace
{

using namespace nbit;
using namespace nbit::cuda;

struct Function {
    std::string name, since, signature;
};
const std::vector<Function> bitsandbytes = {
#include "bitsandbytes.inc"
};
const std::vector<Function> cuda_runtime = {
#include "cuda_runtime.inc"
};
const std::vector<Function> cublas = {
#include "cublas.inc"
};
const std::vector<Function> transformer_engine = {
#include "transformer_engine.inc"
};

// As the machine passes it.
template <class T> std::string type_name()
{
    if constexpr (std::is_enum_v<T>) return type_name<std::underlying_type_t<T>>();
    if constexpr (std::is_void_v<T>) return "void";
    if constexpr (std::is_pointer_v<T>) return "void*";
    if constexpr (std::is_same_v<T, int32_t>) return "int32_t";
    if constexpr (std::is_same_v<T, uint32_t>) return "uint32_t";
    if constexpr (std::is_same_v<T, size_t>) return "size_t";
    if constexpr (std::is_same_v<T, bool>) return "bool";
    if constexpr (std::is_same_v<T, float>) return "float";
    if constexpr (std::is_same_v<T, te::Shape>) return "nbit::fake::Shape";
    return "a type that no table has";
}

template <class Result, class... Parameters> std::string signature_of(const ForeignFunction<Result(Parameters...)>&)
{
    std::string parameters;
    ((parameters += (parameters.empty() ? "" : ", ") + type_name<Parameters>()), ...);
    return type_name<Result>() + "(" + parameters + ")";
}

template <class Functions> std::vector<Function> functions_of()
{
    std::vector<Function> all;
    Functions functions;
    functions.for_each_function([&](auto& function, const String& name, const char* since) {
        all.push_back({name.c_str(), since, signature_of(function)});
    });
    return all;
}

void expect_same(const std::vector<Function>& table, const std::vector<Function>& found)
{
    std::map<std::string, Function> by_name;
    for (const Function& function : table)
        by_name[function.name] = function;
    EXPECT_EQ(by_name.size(), table.size()) << "the table has a function twice";
    std::set<std::string> looked_up;
    for (const Function& function : found) {
        const auto expected = by_name.find(function.name);
        ASSERT_NE(expected, by_name.end()) << function.name << " is looked up, but is in no table";
        EXPECT_EQ(function.signature, expected->second.signature) << function.name;
        EXPECT_EQ(function.since, expected->second.since) << function.name;
        EXPECT_TRUE(looked_up.insert(function.name).second) << function.name << " is looked up twice";
    }
    EXPECT_EQ(looked_up.size(), table.size()) << "a function of the table is not looked up";
}

TEST(ForeignSignatures, OfBitsandbytesAreThoseOfItsTable)
{
    expect_same(bitsandbytes, functions_of<BitsandbytesFunctions>());
}
TEST(ForeignSignatures, OfTheCudaRuntimeAreThoseOfItsTable)
{
    expect_same(cuda_runtime, functions_of<RuntimeFunctions>());
}
TEST(ForeignSignatures, OfCublasAreThoseOfItsTable) { expect_same(cublas, functions_of<CublasFunctions>()); }
TEST(ForeignSignatures, OfTransformerEngineAreThoseOfItsTable)
{
    expect_same(transformer_engine, functions_of<TransformerEngineFunctions>());
}

struct Recording {
    const char *name, *file;
    const std::vector<Function>& table;
};

class ExportLists : public testing::TestWithParam<Recording>
{
};

TEST_P(ExportLists, OfThePublishedLibrariesHaveEveryFunctionOfTheTable)
{
    std::ifstream file(std::string(NBIT_RECORDED_SYMBOLS) + "/" + GetParam().file);
    if (!file) GTEST_SKIP() << "no recorded export lists beside the repository";
    std::set<std::string> exported;
    for (std::string line; std::getline(file, line);)
        exported.insert(line);
    for (const Function& function : GetParam().table)
        EXPECT_TRUE(exported.count(function.name)) << function.name;
}

INSTANTIATE_TEST_SUITE_P(All, ExportLists,
                         testing::Values(Recording{"Bitsandbytes", "bitsandbytes-0.50.2-cuda130.txt", bitsandbytes},
                                         Recording{"TransformerEngine", "transformer-engine-2.20.2.txt",
                                                   transformer_engine}),
                         [](const auto& test) { return std::string(test.param.name); });

} // namespace
