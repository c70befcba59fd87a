// Packed products of plain operands, compiled for one instruction set: how tests reach the parts that all matrix
// products are made of.
#pragma once
#include <cstdint>

namespace nbit::test
{

// c[rows x columns] = a[rows x depth] * b[columns x depth]^T.
struct PlainProduct {
    const int8_t* a; // converted while it is packed
    const void* b;   // elements of the product
    int rows;
    int64_t depth, columns;
    int32_t* packed; // room for packed_dwords
    void* workspace; // of workspace_dwords
    void* c;         // float, or int32 without the correction for offset operands
};

struct PackedProduct {
    int64_t element_size;
    int64_t (*packed_dwords)(const PlainProduct& product);
    int64_t (*workspace_dwords)(const PlainProduct& product);
    void (*pack)(const PlainProduct& product, int first_panel, int last_panel);
    void (*multiply)(const PlainProduct& product, int64_t begin, int64_t end);
};

namespace avx512
{
extern const PackedProduct float32_product, int8_product;
}
namespace avx512bf16
{
extern const PackedProduct float32_product, bfloat16_product, int8_product;
}

} // namespace nbit::test
