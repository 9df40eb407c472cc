#include "sql/duckdb_api.h"

#include <dlfcn.h>

#include "base/files.h"

namespace salver {
namespace {

// The extensions that are shipped are refused by every other version.
constexpr char kVersion[] = "v1.5.5";

Status LibraryFault(const std::string& found) {
  return Status::Unavailable(
      "DuckDB " + std::string(kVersion) + ", which SQL sources, SQL transformations and Delta Lake " +
      "tables need, is not here: " + found + ". Run scripts/bootstrap, or install the package again.");
}

Result<DuckDbApi> Load() {
  // Local: nothing else in the process may be bound to what DuckDB carries of other libraries.
  void* library = dlopen("libduckdb.so", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return LibraryFault(dlerror());
  DuckDbApi api;
#define SALVER_DUCKDB_FUNCTION(name)                                                \
  api.name = reinterpret_cast<decltype(api.name)>(dlsym(library, "duckdb_" #name)); \
  if (api.name == nullptr) return LibraryFault("libduckdb.so has no function duckdb_" #name);
#include "sql/duckdb_functions.inc"
#undef SALVER_DUCKDB_FUNCTION
  if (std::string(api.library_version()) != kVersion) {
    return LibraryFault("libduckdb.so is version " + std::string(api.library_version()));
  }
  Dl_info where;
  if (dladdr(reinterpret_cast<void*>(api.open_ext), &where) != 0) api.folder = FolderOf(where.dli_fname);
  return api;
}

}  // namespace

Result<const DuckDbApi*> LoadDuckDb() {
  static const Result<DuckDbApi>* loaded =
      new Result<DuckDbApi>(Load());  // never unloaded: its threads outlive statics
  if (!loaded->ok()) return loaded->status();
  return &loaded->value();
}

}  // namespace salver
