// Shared libraries of other projects: where they are searched, and what was found in them.
#pragma once
#include "base/platform.h"
#include "cuda/foreign_function.h"

#include <optional>

namespace nbit::cuda
{

struct Version {
    int major, minor;
    bool is_before(const Version& other) const noexcept
    {
        return major != other.major ? major < other.major : minor < other.minor;
    }
};

// An open library. It is never closed: its functions may have started threads and left pointers into its code.
class Library
{
public:
    Library() = default;

    // Empty where it cannot be opened; the reason is then added to the log.
    static Library open(const String& path, platform::Symbols symbols, String& log);

    explicit operator bool() const noexcept { return handle_; }
    const String& path() const noexcept { return path_; }
    String directory() const;
    bool has(const char* symbol) const noexcept { return platform::find_symbol(handle_, symbol); }
    void* address(const char* symbol) const noexcept { return platform::find_symbol(handle_, symbol); }

    // For libraries that turn out to be of a kind that is not wanted, before any of their functions was called.
    void close() noexcept;

private:
    void* handle_ = nullptr;
    String path_;
};

// Looks functions up in a library and counts what it lacks.
class SymbolSearch
{
public:
    SymbolSearch(const char* title, const Library& library) : title_(title), library_(library) {}

    template <class Signature>
    void operator()(ForeignFunction<Signature>& function, const String& symbol, const char* since)
    {
        void* address = library_.address(symbol.c_str());
        function.set({title_, symbol, since}, address);
        ++wanted_;
        if (address) return;
        ++missing_;
        if (!missing_names_.empty()) missing_names_ += ", ";
        missing_names_ += text("%s (since %s)", symbol.c_str(), since);
    }

    int wanted() const noexcept { return wanted_; }
    int found() const noexcept { return wanted_ - missing_; }
    const String& missing() const noexcept { return missing_names_; }
    // "38 of 41 functions; missing: ..."
    String summary() const;

private:
    const char* title_;
    const Library& library_;
    int wanted_ = 0, missing_ = 0;
    String missing_names_;
};

// The version that a Python package's metadata names: of a library that lies in that package, or in a folder of it.
// Packages are the names with which "NAME-1.2.3.dist-info" may begin.
std::optional<Version> packaged_version(const String& library_path, std::initializer_list<const char*> packages);

} // namespace nbit::cuda
