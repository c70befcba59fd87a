// The activations of an int8 linear layer.
#pragma once
#include "abi/work.h"
#include "abi/workspaces.h"
#include "cpu/products8.h"

#include <optional>

namespace nbit
{

// x[rows, columns] rounded to float16 and quantized by rows, its outlier columns apart.
class Activations8
{
public:
    struct Matrix {
        int32_t type; // float32, float16 or bfloat16
        const void* elements;
        int64_t rows, columns;
    };
    Activations8(const nbit_context& context, const Matrix& x, float threshold);

    const int8_t* codes() const noexcept { return codes_.data(); }
    const float* row_absmax() const noexcept { return absmax_.data(); }
    Outliers8 outliers() const noexcept { return {outliers_ ? outliers_->data() : nullptr, outlier_count_}; }
    // The outlier columns of rows [begin, end), rounded to float16, row-major [end - begin, count].
    void copy_outliers(int64_t begin, int64_t end, float* to) const noexcept;

private:
    void quantize(const nbit_context& context, float threshold, uint8_t* flags);
    void set_outliers_apart(const nbit_context& context, const uint8_t* flags);

    Matrix x_;
    Scratch<int8_t> codes_;
    Scratch<float> absmax_;
    std::optional<Scratch<int64_t>> outliers_;
    int64_t outlier_count_ = 0;
};

} // namespace nbit
