// 8-bit codes of all sorts for tests.
#pragma once
#include <string>
#include <vector>

namespace nbit::test
{

struct Book {
    std::string name;
    std::vector<float> values; // 256, rising
    bool is_dynamic;           // one that CodeLines serves
    bool has_cells;            // one that CodeCells serves
};

const std::vector<Book>& books();

// Where the code changes, with the floats around, and the numbers themselves.
std::vector<float> floats_near_changes(const std::vector<float>& values);

// The nearest number, by comparing with every midpoint; halfway, the one with the even code.
float nearest_value(const std::vector<float>& values, float x);

} // namespace nbit::test
