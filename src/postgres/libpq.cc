#include "postgres/libpq.h"

#include <dlfcn.h>

#include <string>

namespace salver::postgres {
namespace {

#if defined(SALVER_SANITIZED)
constexpr int kOwnFunctionsFirst = 0;  // the sanitizer takes no library that would not see its malloc
#else
constexpr int kOwnFunctionsFirst = RTLD_DEEPBIND;
#endif

Status LibraryFault(const std::string& found) {
  return Status::Unavailable("libpq, which PostgreSQL is reached through, is not here: " + found +
                             ". Install it: apt-get install libpq5.");
}

Result<LibpqApi> Load() {
  void* library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL | kOwnFunctionsFirst);
  if (library == nullptr) return LibraryFault(dlerror());
  LibpqApi api;
#define SALVER_LIBPQ_FUNCTION(name)                                            \
  api.name = reinterpret_cast<decltype(api.name)>(dlsym(library, "PQ" #name)); \
  if (api.name == nullptr) return LibraryFault("libpq.so.5 has no function PQ" #name);
#include "postgres/libpq_functions.inc"
#undef SALVER_LIBPQ_FUNCTION
  return api;
}

const Result<LibpqApi>& Loaded() {
  static const Result<LibpqApi>* loaded = new Result<LibpqApi>(Load());  // never unloaded, as the library
  return *loaded;
}

}  // namespace

Status LoadLibpq() {
  return Loaded().status();
}

const LibpqApi& Pq() {
  return Loaded().value();
}

}  // namespace salver::postgres
