// CUDA contexts: operations of the ABI as calls of the functions that bitsandbytes and, for scaled matrices,
// Transformer Engine export.
//
// What its kernels do otherwise than the ABI says is made good here, or refused with
// NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND before anything is written:
//   - quantizers hide NaN and give blocks of zeros the first code: see special_blocks.h;
//   - 8-bit RMSprop and Adagrad ignore weight_decay and gradient_scale in the numerator, 8-bit LAMB and LARS have no
//     trust ratio, others leave norms to the caller, 8-bit AdEMAMix mixes up absmax unless count is a multiple of 256:
//     all refused;
//   - Transformer Engine pads and swizzles scales of blocks, or keeps them transposed: see scaled_tensor.h;
//   - its random Hadamard transform is not part of its stable interface, float8 in blocks has no way back, and what is
//     called unfused are operations of libtorch: refused;
//   - sizes are counted in 32 bits and some layouts are not known: refused.
// What is left are roundings: bitsandbytes' kernels are built with approximate division and roots, the 4-bit products
// round factors to their 16-bit type, and optimizers with decoupled weight decay round 16-bit parameters twice.
// Products of float8 and float4 are added up in tensor cores, which keep fewer bits than float32 within short sums, and
// NVFP4's two amax are multiplied before the sum is. Stochastic rounding has other random numbers than on the CPU. A
// scale that is not finite and above 0 is not found out, as that would mean to wait for the device.
#pragma once
#include "abi/backend.h"
#include "cuda/launch.h"
#include "cuda/libraries.h"

namespace nbit::cuda
{

// Memory that is written once and lives as long as its object.
class DeviceConstant final : public Backend::Constant
{
public:
    DeviceConstant(const Runtime& runtime, int32_t device, const void* values, int64_t bytes);
    ~DeviceConstant() override { runtime_.free(memory_); } // waits for kernels that read it
    DeviceConstant(const DeviceConstant&) = delete;
    DeviceConstant& operator=(const DeviceConstant&) = delete;
    const void* address() const noexcept override { return memory_; }

private:
    const Runtime& runtime_;
    void* memory_;
};

// What kernels read beside their arguments.
inline constexpr int64_t ones_count = 1 << 16;
struct Constants : Allocated {
    Constants(const Runtime& runtime, int32_t device);

    DeviceConstant tables4[2];               // float32[16] by quant_type - 1
    DeviceConstant signed_map, unsigned_map; // of optimizers' states, float32[256]
    DeviceConstant search_map, marking_map;  // see special_blocks.h
    DeviceConstant ones;
};

class CudaBackend final : public Backend
{
public:
    // Throws where there is no CUDA runtime, or no such device.
    CudaBackend(Libraries& libraries, int32_t device);

    void run(void* stream, const operation::CastValues& o) const override;
    void run(void* stream, const operation::QuantizeBlocks4& o) const override;
    void run(void* stream, const operation::DequantizeBlocks4& o) const override;
    void run(void* stream, const operation::Linear4Forward& o) const override;
    void run(void* stream, const operation::QuantizeBlocks8& o) const override;
    void run(void* stream, const operation::DequantizeBlocks8& o) const override;
    void run(void* stream, const operation::QuantizeAbsmax& o) const override;
    void run(void* stream, const operation::DequantizeAbsmax& o) const override;
    void run(void* stream, const operation::QuantizeRows8& o) const override;
    void run(void* stream, const operation::MultiplyInt8& o) const override;
    void run(void* stream, const operation::DequantizeProduct8& o) const override;
    void run(void* stream, const operation::MultiplyDequantizeInt8& o) const override;
    void run(void* stream, const operation::Linear8Forward& o) const override;
    void run(void* stream, const operation::StepOptimizer& o) const override;
    void run(void* stream, const operation::ComputeAmax& o) const override;
    void run(void* stream, const operation::ComputeScale& o) const override;
    void run(void* stream, const operation::UpdateAmaxHistory& o) const override;
    void run(void* stream, const operation::QuantizeFloat8& o) const override;
    void run(void* stream, const operation::QuantizeMxfp8& o) const override;
    void run(void* stream, const operation::QuantizeFloat8Blocks& o) const override;
    void run(void* stream, const operation::QuantizeNvfp4& o) const override;
    void run(void* stream, const operation::DequantizeScaled& o) const override;
    void run(void* stream, const operation::MultiplyScaled& o) const override;
    using Backend::run;

    std::unique_ptr<const Constant> copy(const void* values, int64_t bytes) const override;
    const char* name() const noexcept override { return "CUDA"; }

    void dequantize_absmax(const Launch& launch, const operation::DequantizeAbsmax& o) const;

private:
    Libraries& libraries_;
    const Runtime& runtime_;
    int32_t device_;
    mutable std::once_flag constants_once_;
    mutable std::unique_ptr<const Constants> constants_;

    const Constants& constants() const;
};

// The absmax of 4-bit blocks as float32, one a block, restored where it is quantized itself.
class BlockScalesOnDevice
{
public:
    BlockScalesOnDevice(const CudaBackend& backend, const Launch& launch, const operation::BlockAbsmax& given,
                        int64_t blocks);
    const float* data() const noexcept { return plain_; }

private:
    const float* plain_;
    std::optional<DeviceScratch<float>> restored_;
};

} // namespace nbit::cuda
