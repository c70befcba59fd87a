#include "cuda/bitsandbytes.h"
#include "cuda/search.h"

#include <cstdio>

namespace nbit::cuda
{
namespace
{

constexpr Wanted wanted_bitsandbytes{
    "bitsandbytes", "NBIT_BITSANDBYTES_LIBRARY", "libbitsandbytes_cuda", ".so", {"bitsandbytes"}, {}};
constexpr const char* needed_companions[] = {"libcublasLt.so", "libcublas.so"};
constexpr Version oldest{0, 45}, next_major{1, 0};

// The CUDA version that a file name ends with: libbitsandbytes_cuda126.so is for 12.6. 0 where it has none.
int32_t built_for(const String& path)
{
    int32_t number = 0;
    const size_t name = path.rfind(wanted_bitsandbytes.file_start);
    if (name != String::npos)
        std::sscanf(path.c_str() + name + std::char_traits<char>::length(wanted_bitsandbytes.file_start), "%d",
                    &number);
    return number;
}

// Of what a Python package brings, that which was built for the runtime that is there: the same version, or the nearest
// older one, or any of the same major version.
Vector<String> suitable(const Vector<String>& paths, const Version& runtime, String& log)
{
    const int32_t there = runtime.major * 10 + runtime.minor;
    Vector<String> exact, older, newer;
    for (const String& path : paths) { // rising last, so that the newest comes first
        const int32_t built = built_for(path);
        if (built / 10 != runtime.major)
            log += text("\n  %s: built for CUDA %d.%d, and the runtime is %d.%d", path.c_str(), built / 10, built % 10,
                        runtime.major, runtime.minor);
        else
            (built == there ? exact : built < there ? older : newer).push_back(path);
    }
    exact.insert(exact.end(), older.begin(), older.end());
    exact.insert(exact.end(), newer.rbegin(), newer.rend());
    return exact;
}

} // namespace

Library Bitsandbytes::open(const Runtime& runtime, const String& path_in_code, String& log) const
{
    const String chosen = chosen_path(wanted_bitsandbytes, path_in_code);
    const Vector<String> paths =
        chosen.empty() ? suitable(candidates(wanted_bitsandbytes), runtime.version(), log) : Vector<String>{chosen};
    if (!paths.empty()) {
        // Where they are not beside the runtime or in a Python environment, the loader finds the system's by itself.
        String ignored;
        for (const char* file : needed_companions)
            open_companion(runtime, text("%s.%d", file, runtime.version().major), ignored);
    }
    for (const String& path : paths)
        if (Library found = Library::open(path, platform::Symbols::for_its_users, log)) return found;
    throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                "bitsandbytes was not found. Install it (pip install bitsandbytes) in a Python environment that is "
                "active, or set %s to the path of libbitsandbytes_cuda*.so. Searched: %s%s%s",
                wanted_bitsandbytes.variable, chosen.empty() ? places(wanted_bitsandbytes).c_str() : chosen.c_str(),
                log.empty() ? "" : ". Tried:", log.c_str());
}

Bitsandbytes::Bitsandbytes(const Runtime& runtime, const String& path_in_code)
{
    String log;
    library_ = open(runtime, path_in_code, log);
    const std::optional<Version> version = packaged_version(library_.path(), {"bitsandbytes"});
    if (version && (version->is_before(oldest) || !version->is_before(next_major))) {
        library_.close();
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "%s is of bitsandbytes %d.%d; NBit knows the functions of 0.45 to 0.x. Install such a version",
                    library_.path().c_str(), version->major, version->minor);
    }
    SymbolSearch search(wanted_bitsandbytes.title, library_);
    for_each_function(search);
    if (!quantize_rows8.is_there() || !create_handle.is_there()) {
        library_.close();
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "%s is no library of bitsandbytes 0.45 or later for CUDA: it has %s", library_.path().c_str(),
                    search.summary().c_str());
    }
    const String number =
        version ? text("version %d.%d", version->major, version->minor)
                : text("version %s by its functions", multiply4[0].is_there() ? "0.50 or later" : "0.45 to 0.49");
    summary_ = text("%s, %s, %s", library_.path().c_str(), number.c_str(), search.summary().c_str());
}

void* Bitsandbytes::handle(int32_t device) const
{
    const std::lock_guard lock(handles_lock_);
    const auto index = static_cast<size_t>(device);
    if (handles_.size() <= index) handles_.resize(index + 1);
    if (!handles_[index]) handles_[index] = create_handle();
    return handles_[index];
}

} // namespace nbit::cuda
