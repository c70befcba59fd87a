// Packed products of plain operands with AVX-512, compiled with and without the bfloat16 instructions. No standard
// container here: what the linker merges must run on every machine.
#pragma once
#include "cpu/plain_panel_avx512.h"
#include "packed_products.h"

namespace nbit::test::NBIT_AVX512
{
namespace
{

using namespace nbit::NBIT_AVX512;

template <class Element> Element element_from(int8_t value) { return static_cast<Element>(value); }
template <> [[maybe_unused]] BFloat16 element_from<BFloat16>(int8_t value)
{
    return from_float<BFloat16>(static_cast<float>(value));
}

template <class Product, class Element, int32_t toggle> struct Plain {
    static int64_t packed_dwords(const PlainProduct& p) { return p.rows * dwords_of<Element>(p.depth); }
    static int64_t workspace_dwords(const PlainProduct& p) { return packed_product_workspace(p.rows); }

    static void pack(const PlainProduct& p, int first_panel, int last_panel)
    {
        pack_panels<Element>(RowPanels(p.rows, tile_rows), first_panel, last_panel, p.depth, p.packed,
                             [&](int row, int64_t first, int64_t count, Element* to) {
                                 for (int64_t i = 0; i < count; ++i)
                                     to[i] = element_from<Element>(p.a[row * p.depth + first + i]);
                             });
    }

    static void multiply(const PlainProduct& p, int64_t begin, int64_t end)
    {
        using Sum = typename Product::Sum;
        const PlainPanel fill{p.b, p.depth * static_cast<int64_t>(sizeof(Element)), toggle};
        const auto finish = [&](int row, int64_t n, int count, const Sum* sums) {
            std::copy_n(sums, count, static_cast<Sum*>(p.c) + row * p.columns + n);
        };
        packed_product<Product>(p.packed, p.rows, dwords_of<Element>(p.depth), begin, end, fill, finish, p.workspace);
    }
};

template <class Product, class Element, int32_t toggle = 0> consteval PackedProduct make_product()
{
    using P = Plain<Product, Element, toggle>;
    return {sizeof(Element), P::packed_dwords, P::workspace_dwords, P::pack, P::multiply};
}

} // namespace

constinit const PackedProduct float32_product = make_product<Float32Product, float>();
#if defined(__AVX512BF16__)
constinit const PackedProduct bfloat16_product = make_product<BFloat16Product, BFloat16>();
#endif
constinit const PackedProduct int8_product = make_product<Int8Product, int8_t, static_cast<int32_t>(0x80808080)>();

} // namespace nbit::test::NBIT_AVX512
