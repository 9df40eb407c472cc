// Shared libraries that are opened when they are first needed: a command that does not need one neither pays
// for it nor misses it where it is not installed.
#pragma once

namespace salver {

// Opens a library that is also in the process in another version (Arrow carries its own OpenSSL): its
// functions and those of what it brings are bound to each other first. Null when it can not be; dlerror()
// says why. Never close it.
void* OpenLibraryApart(const char* name);

}  // namespace salver
