#include "torch/guard.h"
#include "torch/library.h"

using namespace nbit::torch;

int32_t nbit_torch_default_dtype_set(int32_t data_type)
{
    return guarded([&] {
        const Library& torch = library();
        switch (data_type) {
        case NBIT_DATA_TYPE_FLOAT16:
        case NBIT_DATA_TYPE_BFLOAT16:
        case NBIT_DATA_TYPE_FLOAT32:
        case NBIT_DATA_TYPE_FLOAT64:
            // a caffe2::TypeMeta is an index, and the indices of the scalar types are their numbers
            torch.set_default_dtype(static_cast<uint16_t>(data_type));
            return;
        default:
            throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                        "data_type is %d; allowed are 5 (float16), 6 (float32), 7 (float64) and 15 (bfloat16)",
                        data_type);
        }
    });
}

int32_t nbit_torch_tensor_data(void* tensor, void** data)
{
    return guarded([&] {
        const Library& torch = library();
        Tensor& t = defined(torch, tensor, "tensor");
        void*& out = required(data, "data");
        int32_t layout = -1;
        void* address = nullptr;
        if (torch.get_layout(&t, &layout) != 0 || layout != strided_layout)
            throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                        "tensor has layout %d; only dense (strided) tensors have an address: call to_dense()", layout);
        if (torch.get_data_ptr(&t, &address) != 0)
            throw Error(NBIT_STATUS_INVALID_ARGUMENT, "tensor has no storage (a meta tensor, for one); give one that "
                                                      "holds data");
        out = address;
    });
}

int32_t nbit_torch_tensor_identity(void* tensor, void** identity)
{
    return guarded([&] {
        const Library& torch = library();
        Tensor& t = defined(torch, tensor, "tensor");
        required(identity, "identity") = t.impl;
    });
}

int32_t nbit_torch_tensor_reference(void* tensor, void** another)
{
    return guarded([&] {
        const Library& torch = library();
        Tensor& t = defined(torch, tensor, "tensor");
        void*& out = required(another, "another");
        Tensor* made = nullptr;
        if (torch.new_reference(&t, &made) != 0)
            throw Error(NBIT_STATUS_INTERNAL_ERROR, "libtorch could not make another handle of a tensor");
        out = made;
    });
}

int32_t nbit_torch_tensor_set_data(void* tensor, void* data)
{
    return guarded([&] {
        const Library& torch = library();
        const Tensor &target = defined(torch, tensor, "tensor"), &source = defined(torch, data, "data");
        torch.set_data(&target, source);
    });
}
