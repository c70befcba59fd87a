#include "cuda/search.h"
#include "base/error.h"
#include "base/platform.h"

#include <algorithm>

namespace nbit::cuda
{
namespace
{

// The roots of Python environments that are active.
constexpr const char* environment_roots[] = {"VIRTUAL_ENV", "CONDA_PREFIX"};

const char* variable(const char* name) noexcept
{
    const char* value = platform::environment_variable(name);
    return value && *value ? value : nullptr;
}

Vector<String> matching(const Wanted& wanted, const String& folder)
{
    Vector<String> paths;
    for (const String& name : entries(folder, wanted.file_start, wanted.file_end))
        paths.push_back(text("%s/%s", folder.c_str(), name.c_str()));
    std::reverse(paths.begin(), paths.end());
    return paths;
}

void append(Vector<String>& all, const Vector<String>& more) { all.insert(all.end(), more.begin(), more.end()); }

} // namespace

String directory_of(const String& path)
{
    const size_t end = path.find_last_of("/\\");
    return end == String::npos ? String() : path.substr(0, end);
}

Vector<String> entries(const String& directory, const char* start, const char* end)
{
    struct Wish {
        const char *start, *end;
        Vector<String> found;
    } wish{start, end, {}};
    platform::for_each_entry(
        directory.c_str(),
        [](const char* name, void* state) {
            auto& w = *static_cast<Wish*>(state);
            const String found = name;
            if (starts_with(found, w.start) && ends_with(found, w.end)) w.found.push_back(found);
        },
        &wish);
    std::sort(wish.found.begin(), wish.found.end());
    return std::move(wish.found);
}

Vector<String> expanded(const String& root, const char* folder)
{
    const String pattern = folder;
    const size_t star = pattern.find('*');
    if (star == String::npos) return {*folder ? text("%s/%s", root.c_str(), folder) : root};
    const String start = text("%s/%s", root.c_str(), pattern.substr(0, star).c_str());
    const String parent = directory_of(start);
    Vector<String> all;
    for (const String& name : entries(parent, start.c_str() + parent.size() + 1, ""))
        if (name[0] != '.') all.push_back(text("%s/%s%s", parent.c_str(), name.c_str(), pattern.c_str() + star + 1));
    return all;
}

bool is_absolute(const char* path) noexcept { return path[0] == '/' || path[0] == '\\' || (path[0] && path[1] == ':'); }

String own_directory()
{
    char path[1024];
    platform::find_path(reinterpret_cast<const void*>(&own_directory), path, sizeof(path));
    return is_absolute(path) ? directory_of(path) : String(); // a program's own path may be relative
}

Vector<String> site_packages()
{
    Vector<String> all;
    for (const char* root : environment_roots) {
        const char* path = variable(root);
        if (!path || !is_absolute(path)) continue;
        const String lib = text("%s/lib", path);
        for (const String& python : entries(lib, "python3", ""))
            all.push_back(text("%s/%s/site-packages", lib.c_str(), python.c_str()));
    }
    return all;
}

String chosen_path(const Wanted& wanted, const String& in_code)
{
    if (!in_code.empty()) return in_code;
    const char* path = variable(wanted.variable);
    if (!path) return {};
    if (!is_absolute(path))
        throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                    "the environment variable %s is '%s'; give an absolute path, as libraries are never searched in "
                    "the current directory",
                    wanted.variable, path);
    return path;
}

Vector<String> candidates(const Wanted& wanted)
{
    Vector<String> all;
    const String own = own_directory();
    if (!own.empty()) append(all, matching(wanted, own));
    for (const String& packages : site_packages())
        for (const char* folder : wanted.folders)
            for (const String& directory : expanded(packages, folder))
                append(all, matching(wanted, directory));
    for (const char* name : wanted.loader_names)
        all.emplace_back(name);
    return all;
}

String places(const Wanted& wanted)
{
    String all = text("%s (not set)", wanted.variable);
    const String own = own_directory();
    if (!own.empty()) all += ", " + own;
    for (const char* root : environment_roots) {
        const char* path = variable(root);
        all += path ? text(", %s (%s)", root, path) : text(", %s (not set)", root);
    }
    for (const char* name : wanted.loader_names)
        all += text(", %s of the system", name);
    return all;
}

} // namespace nbit::cuda
