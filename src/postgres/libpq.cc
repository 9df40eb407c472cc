#include "postgres/libpq.h"

#include <dlfcn.h>

#include <string>

#include "base/late_library.h"

namespace salver::postgres {
namespace {

Status LibraryFault(const std::string& found) {
  return Status::Unavailable("libpq, which PostgreSQL is reached through, is not here: " + found +
                             ". Install it: apt-get install libpq5.");
}

Result<LibpqApi> Load() {
  void* const library = OpenLibraryApart("libpq.so.5");
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
