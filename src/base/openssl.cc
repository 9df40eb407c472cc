#include "base/openssl.h"

#include <dlfcn.h>

#include "base/late_library.h"

namespace salver {
namespace {

Status LibraryFault(const std::string& found) {
  return Status::Unavailable("OpenSSL, which TLS needs, is not here: " + found +
                             ". Install it: apt-get install libssl3.");
}

Result<OpenSslApi> Load() {
  void* const library = OpenLibraryApart("libssl.so.3");
  if (library == nullptr) return LibraryFault(dlerror());
  OpenSslApi api;
  // dlsym looks in what libssl brings too, which has the functions of certificates and errors.
#define SALVER_OPENSSL_FUNCTION(name)                                     \
  api.name = reinterpret_cast<decltype(api.name)>(dlsym(library, #name)); \
  if (api.name == nullptr) return LibraryFault("libssl.so.3 has no function " #name);
#include "base/openssl_functions.inc"
#undef SALVER_OPENSSL_FUNCTION
  return api;
}

const Result<OpenSslApi>& Loaded() {
  static const Result<OpenSslApi>* loaded = new Result<OpenSslApi>(Load());  // never unloaded, as the library
  return *loaded;
}

}  // namespace

Status LoadOpenSsl() {
  return Loaded().status();
}

const OpenSslApi& OpenSsl() {
  return Loaded().value();
}

std::string OpenSslError() {
  char text[256] = "";
  const unsigned long code = OpenSsl().ERR_peek_last_error();
  if (code == 0) return "the connection was closed";
  OpenSsl().ERR_error_string_n(code, text, sizeof(text));
  return text;
}

}  // namespace salver
