// The plain twin of the gradients of int8 linear layers: what every kernel must come close to.
#include "cpu/elements.h"
#include "cpu/gradients8.h"
#include "cpu/rows8.h"

namespace nbit::reference
{
namespace
{

int64_t workspace_bytes(int64_t /*rows*/) { return 0; }

template <class T>
void pack(const void* gradient, int64_t rows, int64_t columns, const Panels8& panels, std::byte* packed)
{
    for (int64_t r = first_row_of_panel8(rows, panels.first); r < first_row_of_panel8(rows, panels.last); ++r)
        for (int64_t i = r * columns; i < (r + 1) * columns; ++i)
            store_element(packed, i, to_float(load_element<T>(gradient, i)));
}

template <class T>
void multiply(const std::byte* packed, int64_t rows, const WeightColumns8& weight, void* target, int64_t stride,
              std::byte* /*workspace*/)
{
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < weight.columns; ++c) {
            double sum = 0;
            for (int64_t o = 0; o < weight.rows; ++o) {
                const float scaled = static_cast<float>(weight.codes[o * weight.stride + c]) * weight.absmax[o];
                const double w = to_float(from_float<T>(scaled * one_int8_step));
                sum += w * static_cast<double>(load_element<float>(packed, r * weight.rows + o));
            }
            store_element(target, r * stride + c, from_float<T>(static_cast<float>(sum)));
        }
}

} // namespace

constinit const Gradients8Table gradients8 = {
    workspace_bytes, make_format_kernels<PackGradient8>([]<class T> { return pack<T>; }),
    make_format_kernels<MultiplyGradient8>([]<class T> { return multiply<T>; })};

} // namespace nbit::reference
