// The functions of OpenSSL that Salver calls, looked up in libssl.so.3 when TLS is first asked for.
//
// Nothing links to OpenSSL, for the reason that nothing links to libpq: Arrow's libraries export functions of
// OpenSSL's names, and calls of one would land in the other.
//
// Thread safety: all from any thread.
#pragma once

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <string>

#include "salver/status.h"

namespace salver {

struct OpenSslApi {
#define SALVER_OPENSSL_FUNCTION(name) decltype(&::name) name = nullptr;
#include "base/openssl_functions.inc"
#undef SALVER_OPENSSL_FUNCTION
};

// Errors: Unavailable when libssl.so.3 is not on the system's path or lacks a function.
Status LoadOpenSsl();

// To be called after LoadOpenSsl returned OK. Never changed, lives as long as the process.
const OpenSslApi& OpenSsl();

// What went wrong last on this thread, in OpenSSL's words.
std::string OpenSslError();

}  // namespace salver
