// A device other than the CPU, as the exports see it.
#pragma once
#include "abi/operations.h"
#include "base/error.h"
#include "base/memory.h"

#include <memory>

namespace nbit
{

// Operation by operation, what a kind of device can do. Arguments have been checked as far as any device would;
// pointers are into the device's memory, lists of pointers and what they count into the host's.
class Backend : public Allocated
{
public:
    virtual ~Backend() = default;

    // Runs the operation on a stream of the device, or throws a status before anything is written.
    virtual void run(void* stream, const operation::CastValues& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::QuantizeBlocks4& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::DequantizeBlocks4& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::Linear4Forward& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::Linear4Backward& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::QuantizeBlocks8& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::DequantizeBlocks8& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::QuantizeAbsmax& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::DequantizeAbsmax& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::QuantizeRows8& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::DequantizeRows8& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::QuantizeColumns8& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::MultiplyInt8& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::DequantizeProduct8& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::MultiplyDequantizeInt8& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::Linear8Forward& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::Linear8Backward& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::StepOptimizer& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::ComputeAmax& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::ComputeScale& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::UpdateAmaxHistory& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::QuantizeFloat8& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::QuantizeMxfp8& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::QuantizeFloat8Blocks& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::QuantizeNvfp4& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::TransformHadamard& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::DequantizeScaled& o) const { refuse(stream, o); }
    virtual void run(void* stream, const operation::MultiplyScaled& o) const { refuse(stream, o); }

    // Memory of the device that holds a copy of the host's, for as long as it lives.
    class Constant : public Allocated
    {
    public:
        virtual ~Constant() = default;
        virtual const void* address() const noexcept = 0;
    };
    virtual std::unique_ptr<const Constant> copy(const void* values, int64_t bytes) const = 0;

    virtual const char* name() const noexcept = 0;

private:
    template <class Operation> [[noreturn]] void refuse(void*, const Operation&) const
    {
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "%s has no kernel on %s; do the same with operations of libtorch, or on the CPU", Operation::name,
                    name());
    }
};

} // namespace nbit
