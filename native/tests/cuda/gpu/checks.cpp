#include "checks.h"
#include "base/error.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iomanip>
#include <random>

namespace nbit::gpu
{
namespace
{

// The thread's default stream, so that the order between it and the legacy default stream matters.
void* const stream = reinterpret_cast<void*>(2); // cudaStreamPerThread

std::string last_error()
{
    const char* message = nullptr;
    nbit_error_message(&message);
    return message;
}

template <class T> T* created(T* found, int32_t status)
{
    Checks::require(status);
    return found;
}

nbit_context* create_context(int32_t kind, int32_t device)
{
    nbit_context* context = nullptr;
    const int32_t status = nbit_context_create(kind, device, 0, &context);
    return created(context, status);
}

} // namespace

Checks::Checks(const cuda::Runtime& runtime, int32_t device)
    : runtime_(runtime), device_(device), cpu_(create_context(NBIT_DEVICE_KIND_CPU, 0), nbit_context_destroy),
      cuda_(create_context(NBIT_DEVICE_KIND_CUDA, device), nbit_context_destroy)
{
    require(nbit_context_set_stream(cuda_.get(), stream));
}

void Checks::require(int32_t status)
{
    if (status != NBIT_STATUS_OK) throw Error(static_cast<nbit_status>(status), "%s", last_error().c_str());
}

const nbit_codebook8* Checks::book(const float* values)
{
    nbit_codebook8* book = nullptr;
    const int32_t status = nbit_codebook8_create(cuda_.get(), values, &book);
    return books_.emplace_back(created(book, status), nbit_codebook8_destroy).get();
}

int32_t Checks::on_device(Memory& memory, const Operation& operation) const
{
    const int32_t before = runtime_.current_device();
    runtime_.set_device(device_);
    Addresses addresses;
    for (const Bytes& bytes : memory) {
        addresses.push_back(bytes.empty() ? nullptr : runtime_.allocate(static_cast<int64_t>(bytes.size())));
        if (!bytes.empty())
            runtime_.copy_to_device(addresses.back(), bytes.data(), static_cast<int64_t>(bytes.size()), stream);
    }
    runtime_.set_device(before);
    const int32_t status = operation(cuda_.get(), addresses);
    for (size_t i = 0; i < memory.size(); ++i) {
        if (!addresses[i]) continue;
        runtime_.copy_to_host(memory[i].data(), addresses[i], static_cast<int64_t>(memory[i].size()), stream);
        runtime_.free(addresses[i]);
    }
    return status;
}

void Checks::compare(const std::string& group, const std::string& name, const Memory& memory, const Memory& expected,
                     const Operation& operation, const Comparison& comparison)
{
    Memory found = memory;
    const int32_t status = on_device(found, operation);
    Outcome& outcome = outcomes_[group];
    std::string what;
    if (status == NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND) {
        ++outcome.left_to_others;
        what = last_error();
    } else {
        what = status != NBIT_STATUS_OK ? last_error() : comparison(expected, found);
        ++(what.empty() ? outcome.passed : outcome.failed);
    }
    if (!what.empty() && (outcome.first.empty() || outcome.failed == 1)) outcome.first = name + ": " + what;
}

void Checks::compare_with_cpu(const std::string& group, const std::string& name, const Memory& memory,
                              const Operation& operation, const Comparison& comparison)
{
    Memory expected = memory;
    Addresses addresses;
    for (Bytes& bytes : expected)
        addresses.push_back(bytes.empty() ? nullptr : bytes.data());
    require(operation(cpu_.get(), addresses));
    compare(group, name, memory, expected, operation, comparison);
}

void Checks::print(std::ostream& out) const
{
    Outcome all;
    out << std::left << std::setw(34) << "group" << std::right << std::setw(8) << "passed" << std::setw(8) << "failed"
        << std::setw(16) << "left to others" << '\n';
    const auto line = [&](const std::string& name, const Outcome& outcome) {
        out << std::left << std::setw(34) << name << std::right << std::setw(8) << outcome.passed << std::setw(8)
            << outcome.failed << std::setw(16) << outcome.left_to_others << '\n';
    };
    for (const auto& [name, outcome] : outcomes_) {
        line(name, outcome);
        if (!outcome.first.empty()) out << "    " << outcome.first << '\n';
        all.passed += outcome.passed;
        all.failed += outcome.failed;
        all.left_to_others += outcome.left_to_others;
    }
    line("all", all);
}

bool Checks::has_failed() const
{
    return std::any_of(outcomes_.begin(), outcomes_.end(), [](const auto& group) { return group.second.failed > 0; });
}

Bytes random_elements(int32_t type, int64_t count, unsigned seed)
{
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    Bytes elements(static_cast<size_t>(count * data_type_size(type)));
    std::vector<float> floats(static_cast<size_t>(count));
    for (size_t i = 0; i < floats.size(); ++i)
        floats[i] = normal(random) * std::ldexp(1.0f, static_cast<int>(i / 512 % 5) - 2);
    nbit_context* cpu = create_context(NBIT_DEVICE_KIND_CPU, 0);
    const int32_t status =
        nbit_values_cast(cpu, NBIT_DATA_TYPE_FLOAT32, floats.data(), count, type, elements.data(), nullptr, nullptr);
    nbit_context_destroy(cpu);
    Checks::require(status);
    return elements;
}

Bytes random_bytes(int64_t count, unsigned seed)
{
    std::mt19937 random(seed);
    Bytes bytes(static_cast<size_t>(count));
    for (unsigned char& byte : bytes)
        byte = static_cast<unsigned char>(random());
    return bytes;
}

Bytes nothing(int64_t bytes) { return Bytes(static_cast<size_t>(bytes), 0xee); }

std::string type_name(int32_t type) { return data_type_name(type); }

} // namespace nbit::gpu
