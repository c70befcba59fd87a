#include "cuda/library.h"
#include "cuda/search.h"

#include <cstdio>

namespace nbit::cuda
{

Library Library::open(const String& path, platform::Symbols symbols, String& log)
{
    char reason[512] = "";
    Library opened;
    opened.handle_ = platform::open_library(path.c_str(), symbols, reason, sizeof(reason));
    if (opened)
        opened.path_ = path;
    else
        log += text("\n  %s: %s", path.c_str(), reason);
    return opened;
}

String Library::directory() const { return directory_of(path_); }

void Library::close() noexcept
{
    if (handle_) platform::close_library(handle_);
    handle_ = nullptr;
}

String SymbolSearch::summary() const
{
    if (missing_ == 0) return text("all %d functions that NBit uses", wanted_);
    return text("%d of %d functions that NBit uses; missing: %s", found(), wanted_, missing_names_.c_str());
}

std::optional<Version> packaged_version(const String& library_path, std::initializer_list<const char*> packages)
{
    String folder = directory_of(library_path);
    for (int levels = 0; levels < 3 && !folder.empty(); ++levels, folder = directory_of(folder))
        for (const char* package : packages)
            for (const String& name : entries(folder, text("%s-", package).c_str(), ".dist-info")) {
                Version version{};
                const char* number = name.c_str() + std::char_traits<char>::length(package) + 1;
                if (std::sscanf(number, "%d.%d", &version.major, &version.minor) == 2) return version;
            }
    return std::nullopt;
}

} // namespace nbit::cuda
