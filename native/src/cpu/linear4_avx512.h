// Products with a 4-bit weight with AVX-512, compiled with and without the bfloat16 instructions.
#pragma once
#include "cpu/fused4_avx512.h"
#include "cpu/linear4.h"
#include "cpu/panels4_avx512.h"

namespace nbit::NBIT_AVX512
{
namespace
{

struct RowSet {
    static constexpr int64_t tile_size = NBIT_AVX512::tile_size;
    using Tile = NBIT_AVX512::Tile;
    template <class T> static Tile load(const T* from) { return load_tile(from); }
    template <class T> static void store(T* to, const Tile& tile) { store_tile(to, tile, false); }
    static Tile add(const Tile& a, const Tile& b)
    {
        return {_mm512_add_ps(a.v[0], b.v[0]), _mm512_add_ps(a.v[1], b.v[1]), _mm512_add_ps(a.v[2], b.v[2]),
                _mm512_add_ps(a.v[3], b.v[3])};
    }
};

template <class Compute, class Element>
constinit const ProductRows<Element> product_rows = make_product_rows<RowSet, Compute, Element>();

// How x is read: load(row, first, count, to).
template <class Compute, class Element> struct LoadX {
    const Product4& product;
    int64_t depth;
    LoadRow<Element> load = product_rows<Compute, Element>.load.find(product.type);
    void operator()(int64_t row, int64_t first, int64_t count, Element* to) const
    {
        load(product.x, row * depth + first, count, to);
    }
};

// How y is written: finish(row, n, count, sums).
template <class Compute, class Element> struct StoreY {
    const Product4& product;
    int64_t width;
    StoreRow store = product_rows<Compute, Element>.store.find(product.type);
    void operator()(int64_t row, int64_t n, int64_t count, const float* sums) const
    {
        store(sums, product.bias ? product.bias + n : nullptr, count, product.y, row * width + n);
    }
};

template <class Compute, class Numbers> struct GemvKernel {
    using Element = typename Numbers::Element;
    static int64_t packed_bytes(const Product4& p)
    {
        return Phases(p.weight.columns).total_size(p.rows) * static_cast<int64_t>(sizeof(Element));
    }
    static int64_t pack_parts(const Product4& p) { return GemvGroups(p.rows).count; }
    static int64_t workspace_bytes(const Product4& p) { return gemv_workspace_bytes(p.weight); }
    static void pack(const Product4& p, int64_t begin, int64_t end, void* packed)
    {
        const Phases phases(p.weight.columns);
        const GemvGroups groups(p.rows);
        for (int64_t group = begin; group < end; ++group)
            phases.shuffle_x<Numbers>(groups.first(group), groups.rows(group),
                                      static_cast<Element*>(packed) + phases.total_size(groups.first(group)),
                                      LoadX<Compute, Element>{p, p.weight.columns});
    }
    static void multiply(const Product4& p, const void* packed, int64_t begin, int64_t end, void* workspace)
    {
        gemv4<Numbers>(p.weight, static_cast<const Element*>(packed), p.rows, begin, end,
                       StoreY<Compute, Element>{p, p.weight.rows}, static_cast<float*>(workspace));
    }
    static constexpr Linear4Kernel kernel{packed_bytes, pack_parts, pack, workspace_bytes, gemv_batch, multiply};
};

// Dequantized tiles.
template <class Compute, class Product, class Decoder, bool is_forward> struct PanelKernel {
    using Element = typename Decoder::Element;
    using Panel = std::conditional_t<is_forward, ForwardPanel4<Decoder>, BackwardPanel4<Decoder>>;
    static int64_t depth(const Product4& p) { return is_forward ? p.weight.columns : p.weight.rows; }
    static int64_t width(const Product4& p) { return is_forward ? p.weight.rows : p.weight.columns; }
    static RowPanels panels(const Product4& p) { return RowPanels(static_cast<int>(p.rows), tile_rows); }

    static int64_t packed_bytes(const Product4& p) { return p.rows * dwords_of<Element>(depth(p)) * 4; }
    static int64_t pack_parts(const Product4& p) { return panels(p).count; }
    static int64_t workspace_bytes(const Product4& p) { return packed_product_workspace(static_cast<int>(p.rows)) * 4; }
    static void pack(const Product4& p, int64_t begin, int64_t end, void* packed)
    {
        pack_panels<Element>(panels(p), static_cast<int>(begin), static_cast<int>(end), depth(p),
                             static_cast<int32_t*>(packed), LoadX<Compute, Element>{p, depth(p)});
    }
    static void multiply(const Product4& p, const void* packed, int64_t begin, int64_t end, void* workspace)
    {
        packed_product<Product>(static_cast<const int32_t*>(packed), static_cast<int>(p.rows),
                                dwords_of<Element>(depth(p)), begin, end, Panel(p.weight),
                                StoreY<Compute, Element>{p, width(p)}, workspace);
    }
    static constexpr Linear4Kernel kernel{packed_bytes, pack_parts, pack, workspace_bytes, tile_columns, multiply};
};

#if defined(__AVX512BF16__)
template <int stretch> struct FusedKernel {
    static RowPanels panels(const Product4& p) { return RowPanels(static_cast<int>(p.rows), fused_rows); }
    static int64_t packed_bytes(const Product4& p) { return p.rows * p.weight.columns / 2 * 4; }
    static int64_t pack_parts(const Product4&) { return 1; }
    static int64_t workspace_bytes(const Product4& p) { return FusedProduct<stretch>::workspace_bytes(p.weight); }
    static void pack(const Product4& p, int64_t, int64_t, void* packed)
    {
        pack_fused(panels(p), p.weight.columns, static_cast<int32_t*>(packed),
                   LoadX<BFloat16, BFloat16>{p, p.weight.columns});
    }
    static void multiply(const Product4& p, const void* packed, int64_t begin, int64_t end, void* workspace)
    {
        FusedProduct<stretch> product(p.weight, static_cast<const int32_t*>(packed), static_cast<int>(p.rows),
                                      workspace);
        product.multiply(begin, end, StoreY<BFloat16, BFloat16>{p, p.weight.rows});
    }
    static constexpr Linear4Kernel kernel{packed_bytes, pack_parts, pack, workspace_bytes, fused_columns, multiply};
};
#endif

template <class Compute> const Linear4Kernel& forward_in_float32(const Product4& p)
{
    constexpr int64_t most_gemv_rows = 16;
    if (p.rows <= most_gemv_rows) return GemvKernel<Compute, GemvFloat32>::kernel;
    return PanelKernel<Compute, Float32Product, FloatDecoder<Compute>, true>::kernel;
}

template <class Compute> const Linear4Kernel& backward_in_float32(const Product4&)
{
    return PanelKernel<Compute, Float32Product, FloatDecoder<Compute>, false>::kernel;
}

#if defined(__AVX512BF16__)
const Linear4Kernel& forward_in_bfloat16(const Product4& p)
{
    const int64_t most_gemv_rows = p.weight.is_regular() ? 4 : 16;
    if (p.rows <= most_gemv_rows) return GemvKernel<BFloat16, GemvBFloat16>::kernel;
    if (p.rows > most_fused_rows || !p.weight.is_regular())
        return PanelKernel<BFloat16, BFloat16Product, BFloat16Decoder, true>::kernel;
    return p.weight.blocksize % 64 == 0 && p.weight.columns % 64 == 0 ? FusedKernel<64>::kernel
                                                                      : FusedKernel<32>::kernel;
}

const Linear4Kernel& backward_in_bfloat16(const Product4&)
{
    return PanelKernel<BFloat16, BFloat16Product, BFloat16Decoder, false>::kernel;
}
#else
const Linear4Kernel& forward_in_bfloat16(const Product4& p) { return forward_in_float32<BFloat16>(p); }
const Linear4Kernel& backward_in_bfloat16(const Product4& p) { return backward_in_float32<BFloat16>(p); }
#endif

const Linear4Kernel& forward(const Product4& p)
{
    switch (p.compute_type) {
    case NBIT_DATA_TYPE_BFLOAT16:
        return forward_in_bfloat16(p);
    case NBIT_DATA_TYPE_FLOAT16:
        return forward_in_float32<Float16>(p);
    default:
        return forward_in_float32<float>(p);
    }
}

const Linear4Kernel& backward(const Product4& p)
{
    switch (p.compute_type) {
    case NBIT_DATA_TYPE_BFLOAT16:
        return backward_in_bfloat16(p);
    case NBIT_DATA_TYPE_FLOAT16:
        return backward_in_float32<Float16>(p);
    default:
        return backward_in_float32<float>(p);
    }
}

} // namespace

constinit const Linear4Table linear4 = {forward, backward};

} // namespace nbit::NBIT_AVX512
