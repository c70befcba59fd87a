// Where libraries are searched: never in the current directory.
#pragma once
#include "base/text.h"

namespace nbit::cuda
{

// Empty where a path has none.
String directory_of(const String& path);

// Names in a directory, in rising order.
Vector<String> entries(const String& directory, const char* start, const char* end);

// A library that is searched, in the order of these members.
struct Wanted {
    const char* title;
    const char* variable;                            // of the environment, that names its path
    const char* file_start;                          // of its name
    const char* file_end;                            // for the first of several that match, the last name
    std::initializer_list<const char*> folders;      // of a Python environment's site-packages
    std::initializer_list<const char*> loader_names; // that the system's loader is asked for last; or none
};

// What in the process or its environment says where that library is. Then it is there or nowhere; else empty.
// Throws where the environment gives a path that is not absolute.
String chosen_path(const Wanted& wanted, const String& in_code);

// Paths of files that exist, best first, then names for the loader.
Vector<String> candidates(const Wanted& wanted);

// What was searched, for a message.
String places(const Wanted& wanted);

// The directory of libnbit, and the active Python environments' site-packages.
String own_directory();
Vector<String> site_packages();

// Folders in a root. One '*' in a name stands for anything: "nvidia/*/lib".
Vector<String> expanded(const String& root, const char* folder);

bool is_absolute(const char* path) noexcept;

} // namespace nbit::cuda
