// Linear layers with 4-bit weights.
#include "cuda/backend.h"
#include "cuda/refusals.h"

namespace nbit::cuda
{
namespace
{

// What both kernels ask for: they read 16 bytes at once, and every row of the weight begins a block.
void require_layout(const operation::Linear4Forward& o)
{
    require_type("x_type", o.x_type, o.compute_type);
    if (o.bias) require_type("bias_type", o.bias_type, o.compute_type);
    require_multiple("in_features", o.weight.in_features, o.weight.blocksize);
    require_countable("rows and in_features", o.rows, o.weight.in_features);
    require_countable("rows and out_features", o.rows, o.weight.out_features);
    require_countable("out_features and in_features", o.weight.out_features, o.weight.in_features);
    // Their grids have at most 65,535 times 8 rows
    if (o.rows > 65535 * 8)
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "rows is %lld; bitsandbytes' kernel on CUDA takes up to 524,280. Split the work",
                    static_cast<long long>(o.rows));
    require_aligned("x", o.x, 16);
    require_aligned("packed", o.weight.packed, 16);
}

} // namespace

// The fused kernel chooses by the number of rows itself, and reads a quantized absmax. Older libraries have one for a
// single row alone, which takes neither a quantized absmax nor a bias.
void CudaBackend::run(void* stream, const operation::Linear4Forward& o) const
{
    require_layout(o);
    const operation::Linear4Weight& w = o.weight;
    if (o.rows == 0 || w.out_features == 0) return;
    if (w.in_features == 0)
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "in_features is 0; bitsandbytes' kernel on CUDA needs 32 or more");
    const Bitsandbytes& library = libraries_.bitsandbytes();
    const int format = format_index(o.compute_type);
    const auto rows = static_cast<int32_t>(o.rows), out = static_cast<int32_t>(w.out_features),
               in = static_cast<int32_t>(w.in_features), blocksize = static_cast<int32_t>(w.blocksize);
    const bool is_fused = library.multiply4[format].is_there();
    if (!is_fused && (rows != 1 || o.bias))
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "rows is %d%s; this bitsandbytes multiplies one row without a bias by a 4-bit weight, versions "
                    "since 0.50 any",
                    rows, o.bias ? " and there is a bias" : "");
    const Launch launch(runtime_, device_, stream);
    launch.require_on_device({{"x", o.x}, {"packed", w.packed}, {"bias", o.bias}, {"y", o.y}});
    if (is_fused) {
        launch.require_on_device({{"absmax", w.absmax.absmax},
                                  {"absmax_codes", w.absmax.codes},
                                  {"absmax_book", w.absmax.book},
                                  {"absmax_offset", w.absmax.offset}});
        library.multiply4[format](o.x, w.packed, w.absmax.absmax, w.absmax.codes, w.absmax.book, w.absmax.offset, o.y,
                                  o.bias, rows, out, in, blocksize, w.quant_type, stream);
        return;
    }
    const BlockScalesOnDevice scales(*this, launch, w.absmax, w.out_features * w.in_features / w.blocksize);
    const auto* table = static_cast<const float*>(constants().tables4[w.quant_type - 1].address());
    library.multiply4_row[format](out, 1, in, o.x, w.packed, scales.data(), table, o.y, out, in / 2, out, blocksize,
                                  stream);
}

} // namespace nbit::cuda
