// Two CUDA devices that are memory of the host. Work of a stream is done as late as CUDA allows it, when somebody waits
// for it: what is not ordered by events is not done, and what reads memory that was freed meanwhile reads rubbish.
#pragma once
#include "recorder.h"

#include <deque>
#include <map>
#include <memory>

namespace nbit::test
{

class FakeDevice
{
public:
    using Work = std::function<void()>;

    // Answers for the functions of the CUDA runtime.
    void answer(const fake::Call& call);

    void enqueue(void* stream, Work work) { stream_of(stream).push_back(std::move(work)); }
    void synchronize(void* stream) { run(stream, stream_of(stream).size()); }
    void synchronize_all();

    // Memory of a device, that tests fill and look at themselves.
    void* allocate(size_t bytes, int32_t device);
    void free(void* memory);
    // The memory that holds an address begins there; null for none.
    const void* find(const void* address, int32_t* device) const;

    int32_t current() const { return current_; }
    size_t live_allocations() const { return memory_.size(); }
    size_t live_events() const { return events_.size(); }

    int32_t version = 13000, device_count = 2;
    int32_t major = 9, minor = 0; // compute capability of all devices
    // The next call of this function fails with this error.
    std::string failing_function;
    int32_t failing_error = 0;

private:
    struct Memory {
        size_t bytes;
        int32_t device;
    };
    struct Event {
        void* stream = nullptr;
        size_t position = 0;
    };
    using Queue = std::deque<Work>;

    Queue& stream_of(void* stream) { return streams_[stream]; }
    void run(void* stream, size_t until);
    void copy(const fake::Call& call);
    void copy_rows(const fake::Call& call);
    void give_attributes(const fake::Call& call) const;

    int32_t current_ = 0;
    std::map<void*, Queue> streams_;
    std::map<void*, size_t> done_;
    std::map<void*, std::shared_ptr<Event>> events_;
    std::map<const void*, Memory> memory_;
    uintptr_t next_event_ = 0x1000;
};

} // namespace nbit::test
