#include "cuda/launch.h"

namespace nbit::cuda
{
namespace
{

// An event for as long as it is needed. CUDA keeps what waits for it in order after that, too.
class OwnedEvent
{
public:
    explicit OwnedEvent(const Runtime& runtime) : runtime_(runtime), event_(runtime.create_event()) {}
    ~OwnedEvent() { runtime_.destroy_event(event_); }
    OwnedEvent(const OwnedEvent&) = delete;
    OwnedEvent& operator=(const OwnedEvent&) = delete;

    Event get() const noexcept { return event_; }

private:
    const Runtime& runtime_;
    Event event_;
};

} // namespace

Launch::Launch(const Runtime& runtime, int32_t device, Stream stream)
    : runtime_(runtime), device_(device), stream_(stream), before_(runtime.current_device())
{
    if (before_ != device_) runtime_.set_device(device_);
}

Launch::~Launch()
{
    if (before_ == device_) return;
    try {
        runtime_.set_device(before_);
    } catch (const Error&) { // it was the current one, so that this cannot happen while the device works
    }
}

void Launch::require_on_device(const char* name, const void* address) const
{
    if (!address) return;
    const PointerAttributes found = runtime_.attributes(address);
    if (found.kind == MemoryKind::managed || (found.kind == MemoryKind::device && found.device == device_)) return;
    if (found.kind == MemoryKind::device)
        throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                    "%s is in memory of CUDA device %d; the context's device is %d. Copy it there", name, found.device,
                    device_);
    throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                "%s is in memory of the host; a context of CUDA device %d needs memory of that device. Copy it there",
                name, device_);
}

void Launch::require_on_device(std::initializer_list<std::pair<const char*, const void*>> arguments) const
{
    for (const auto& [name, address] : arguments)
        require_on_device(name, address);
}

OnDefaultStream::OnDefaultStream(const Launch& launch) : launch_(launch), is_open_(launch.stream() != nullptr)
{
    if (is_open_) order(launch_.stream(), nullptr);
}

OnDefaultStream::~OnDefaultStream()
{
    try {
        finish();
    } catch (const Error&) { // the exception under way says more
    }
}

void OnDefaultStream::finish()
{
    if (!is_open_) return;
    is_open_ = false;
    order(nullptr, launch_.stream());
}

void OnDefaultStream::order(Stream first, Stream second) const
{
    const OwnedEvent reached(launch_.runtime());
    launch_.runtime().record(reached.get(), first);
    launch_.runtime().wait(second, reached.get());
}

} // namespace nbit::cuda
