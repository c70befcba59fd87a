#include "cuda/backend.h"
#include "cpu/codes4.h"
#include "cuda/special_blocks.h"

#include <algorithm>

namespace nbit::cuda
{
namespace
{

// Of that device, filled on the host by fill(values).
template <int64_t count, class Fill> DeviceConstant filled(const Runtime& runtime, int32_t device, const Fill& fill)
{
    const Scratch<float> values(count);
    fill(values.data());
    return DeviceConstant(runtime, device, values.data(), count * int64_t{sizeof(float)});
}

DeviceConstant table4(const Runtime& runtime, int32_t device, const float* table)
{
    return DeviceConstant(runtime, device, table, 16 * sizeof(float));
}

DeviceConstant dynamic(const Runtime& runtime, int32_t device, bool is_signed)
{
    return DeviceConstant(runtime, device, dynamic_map(is_signed), 256 * sizeof(float));
}

int32_t checked_device(const Runtime& runtime, int32_t device)
{
    const int32_t count = runtime.device_count();
    if (count == 0)
        throw Error(NBIT_STATUS_NOT_SUPPORTED, "the CUDA runtime (%s) finds no device; create a CPU context (0)",
                    runtime.summary().c_str());
    if (device < 0 || device >= count)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT, "device_index is %d; there are %d CUDA devices, 0 to %d", device,
                    count, count - 1);
    return device;
}

} // namespace

DeviceConstant::DeviceConstant(const Runtime& runtime, int32_t device, const void* values, int64_t bytes)
    : runtime_(runtime)
{
    const Launch launch(runtime, device, nullptr);
    memory_ = runtime.allocate(bytes);
    try {
        launch.to_device(memory_, values, bytes);
    } catch (...) {
        runtime.free(memory_);
        throw;
    }
}

Constants::Constants(const Runtime& runtime, int32_t device)
    : tables4{table4(runtime, device, Fp4::table.data()), table4(runtime, device, Nf4::table.data())},
      signed_map(dynamic(runtime, device, true)), unsigned_map(dynamic(runtime, device, false)),
      search_map(filled<256>(runtime, device, SpecialBlocks::fill_search_map)),
      marking_map(filled<256>(runtime, device, SpecialBlocks::fill_marking_map)),
      ones(filled<ones_count>(runtime, device, [](float* values) { std::fill_n(values, ones_count, 1.0f); }))
{
}

CudaBackend::CudaBackend(Libraries& libraries, int32_t device)
    : libraries_(libraries), runtime_(libraries.runtime()), device_(checked_device(runtime_, device))
{
}

std::unique_ptr<const Backend::Constant> CudaBackend::copy(const void* values, int64_t bytes) const
{
    return std::make_unique<const DeviceConstant>(runtime_, device_, values, bytes);
}

const Constants& CudaBackend::constants() const
{
    std::call_once(constants_once_, [&] { constants_ = std::make_unique<const Constants>(runtime_, device_); });
    return *constants_;
}

} // namespace nbit::cuda
