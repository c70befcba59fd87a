// 4-bit and 8-bit blocks, and their absmax in 8 bits.
#include "abi/codebook8.h"
#include "base/cpu.h"
#include "base/float_environment.h"
#include "cpu/block_scales.h"
#include "cpu/blocks4.h"
#include "cpu/blocks8.h"
#include "cpu/mean.h"
#include "cuda/backend.h"
#include "cuda/refusals.h"
#include "cuda/special_blocks.h"

#include <algorithm>

namespace nbit::cuda
{
namespace
{

const float* values_of(const nbit_codebook8& book)
{
    if (!book.on_device)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                    "book was made for the CPU; make one with nbit_codebook8_create on a context of this device");
    return static_cast<const float*>(book.on_device->address());
}

// Quantizes the special blocks again, on the CPU: quantize(elements, count, codes, absmax), with codes of so many bits.
template <class Quantize>
void quantize_again(const Launch& launch, const SpecialBlocks& special, const void* source, int64_t size,
                    int64_t blocksize, int64_t code_bits, uint8_t* codes, float* absmax, const Quantize& quantize)
{
    special.for_each_range([&](int64_t first, int64_t count) {
        const int64_t code_bytes = ceil_divide(count * code_bits, 8), blocks = ceil_divide(count, blocksize);
        const Scratch<char> elements(count * size);
        const Scratch<uint8_t> new_codes(code_bytes);
        const Scratch<float> new_absmax(blocks);
        launch.to_host(elements.data(), static_cast<const char*>(source) + first * size, count * size);
        {
            const DefaultFloatEnvironment environment;
            quantize(elements.data(), count, new_codes.data(), new_absmax.data());
        }
        launch.to_device(codes + first * code_bits / 8, new_codes.data(), code_bytes);
        launch.to_device(absmax + first / blocksize, new_absmax.data(), blocks * int64_t{sizeof(float)});
    });
}

void quantize_blocks8(const Launch& launch, const Bitsandbytes& library, const Constants& constants,
                      const nbit_codebook8& book, int32_t type, const void* source, int32_t count, int32_t blocksize,
                      uint8_t* codes, float* absmax)
{
    on_default_stream(launch, [&] {
        library.quantize8[format_index(type)](values_of(book), source, absmax, codes, blocksize, count);
    });
    const SpecialBlocks special(launch, library, constants, {type, source, count, blocksize, absmax});
    const Quantize8 kernel = blocks8_of(instruction_set()).quantize.find(type);
    quantize_again(launch, special, source, data_type_size(type), blocksize, 8, codes, absmax,
                   [&](const char* elements, int64_t length, uint8_t* new_codes, float* new_absmax) {
                       kernel(book.book, elements, length, blocksize, new_codes, new_absmax, false);
                   });
}

} // namespace

void CudaBackend::run(void* stream, const operation::QuantizeBlocks4& o) const
{
    const int32_t count = checked_int32("count", o.count), blocksize = static_cast<int32_t>(o.blocksize);
    if (count == 0) return;
    const Bitsandbytes& library = libraries_.bitsandbytes();
    const Launch launch(runtime_, device_, stream);
    launch.require_on_device({{"source", o.source}, {"packed", o.packed}, {"absmax", o.absmax}});
    on_default_stream(launch, [&] {
        library.quantize4[o.quant_type - 1][format_index(o.source_type)](nullptr, o.source, o.absmax, o.packed,
                                                                         blocksize, count);
    });
    const SpecialBlocks special(launch, library, constants(), {o.source_type, o.source, count, blocksize, o.absmax});
    const Quantize4 kernel = blocks4_of(instruction_set()).of(o.quant_type).quantize.find(o.source_type);
    quantize_again(launch, special, o.source, data_type_size(o.source_type), blocksize, 4, o.packed, o.absmax,
                   [&](const char* elements, int64_t length, uint8_t* packed, float* absmax) {
                       kernel(elements, length, blocksize, absmax, packed, false);
                   });
}

void CudaBackend::run(void* stream, const operation::DequantizeBlocks4& o) const
{
    const int32_t count = checked_int32("count", o.count), blocksize = static_cast<int32_t>(o.blocksize);
    if (count == 0) return;
    const Bitsandbytes& library = libraries_.bitsandbytes();
    const Launch launch(runtime_, device_, stream);
    launch.require_on_device({{"packed", o.packed}, {"target", o.target}});
    const BlockScalesOnDevice scales(*this, launch, o.absmax, ceil_divide(o.count, o.blocksize));
    library.dequantize4[o.quant_type - 1][format_index(o.target_type)](nullptr, o.packed, scales.data(), o.target,
                                                                       blocksize, count, stream);
}

void CudaBackend::run(void* stream, const operation::QuantizeBlocks8& o) const
{
    require_blocksize8(o.blocksize);
    const int32_t count = checked_int32("count", o.count);
    values_of(o.book);
    if (count == 0) return;
    const Bitsandbytes& library = libraries_.bitsandbytes();
    const Launch launch(runtime_, device_, stream);
    launch.require_on_device({{"source", o.source}, {"codes", o.codes}, {"absmax", o.absmax}});
    quantize_blocks8(launch, library, constants(), o.book, o.source_type, o.source, count,
                     static_cast<int32_t>(o.blocksize), o.codes, o.absmax);
}

void CudaBackend::run(void* stream, const operation::DequantizeBlocks8& o) const
{
    require_blocksize8(o.blocksize);
    const int32_t count = checked_int32("count", o.count);
    const float* values = values_of(o.book);
    if (count == 0) return;
    const Bitsandbytes& library = libraries_.bitsandbytes();
    const Launch launch(runtime_, device_, stream);
    launch.require_on_device({{"codes", o.codes}, {"absmax", o.absmax}, {"target", o.target}});
    library.dequantize8[format_index(o.target_type)](values, o.codes, o.absmax, o.target,
                                                     static_cast<int32_t>(o.blocksize), count, stream);
}

// The mean is made on the host, by the ABI's rule.
void CudaBackend::run(void* stream, const operation::QuantizeAbsmax& o) const
{
    require_blocksize8(o.blocksize);
    const int32_t count = checked_int32("count", o.count);
    values_of(o.book);
    const Bitsandbytes& library = libraries_.bitsandbytes();
    const Launch launch(runtime_, device_, stream);
    launch.require_on_device({{"absmax", o.absmax},
                              {"given_offset", o.given_offset},
                              {"codes", o.codes},
                              {"nested_absmax", o.nested_absmax},
                              {"offset", o.offset}});
    const int64_t bytes = o.count * int64_t{sizeof(float)};
    float offset = 0;
    if (o.given_offset) launch.to_host(&offset, o.given_offset, sizeof(offset));
    if (count > 0) {
        const Scratch<float> differences(o.count);
        const DeviceScratch<float> on_device(launch, o.count);
        launch.to_host(differences.data(), o.absmax, bytes);
        {
            const DefaultFloatEnvironment environment;
            if (!o.given_offset) offset = mean_of_finite(differences.data(), o.count);
            std::for_each_n(differences.data(), o.count, [&](float& x) { x -= offset; });
        }
        launch.to_device(on_device.data(), differences.data(), bytes);
        quantize_blocks8(launch, library, constants(), o.book, NBIT_DATA_TYPE_FLOAT32, on_device.data(), count,
                         static_cast<int32_t>(o.blocksize), o.codes, o.nested_absmax);
    }
    launch.to_device(o.offset, &offset, sizeof(offset));
}

void CudaBackend::run(void* stream, const operation::DequantizeAbsmax& o) const
{
    require_blocksize8(o.blocksize);
    checked_int32("count", o.count);
    const Launch launch(runtime_, device_, stream);
    launch.require_on_device({{"absmax_book", o.absmax_book},
                              {"codes", o.codes},
                              {"nested_absmax", o.nested_absmax},
                              {"offset", o.offset},
                              {"absmax", o.absmax}});
    dequantize_absmax(launch, o);
}

// absmax = 0 + value[code] * nested absmax, and then the offset is added to it: the same roundings as in the ABI.
void CudaBackend::dequantize_absmax(const Launch& launch, const operation::DequantizeAbsmax& o) const
{
    if (o.count == 0) return;
    const Bitsandbytes& library = libraries_.bitsandbytes();
    const Cublas& cublas = libraries_.cublas();
    const auto* ones = static_cast<const float*>(constants().ones.address());
    library.dequantize8[float32_index](o.absmax_book, o.codes, o.nested_absmax, o.absmax,
                                       static_cast<int32_t>(o.blocksize), static_cast<int32_t>(o.count),
                                       launch.stream());
    for (int64_t first = 0; first < o.count; first += ones_count) {
        const auto length = static_cast<int32_t>(std::min(ones_count, o.count - first));
        cublas.add_scaled(launch, length, o.offset, ones, o.absmax + first);
    }
}

BlockScalesOnDevice::BlockScalesOnDevice(const CudaBackend& backend, const Launch& launch,
                                         const operation::BlockAbsmax& given, int64_t blocks)
    : plain_(given.absmax)
{
    launch.require_on_device({{"absmax", given.absmax},
                              {"absmax_codes", given.codes},
                              {"absmax_book", given.book},
                              {"absmax_offset", given.offset}});
    if (!given.codes) return;
    restored_.emplace(launch, blocks);
    plain_ = restored_->data();
    backend.dequantize_absmax(
        launch, {given.book, given.codes, given.absmax, given.offset, blocks, nested_blocksize, restored_->data()});
}

} // namespace nbit::cuda
