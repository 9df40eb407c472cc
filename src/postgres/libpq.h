// The functions of libpq that Salver calls, looked up in libpq.so.5 when the first connection is opened.
//
// Nothing links to libpq. It brings OpenSSL, and Arrow's libraries export functions of OpenSSL's names:
// linked beside each other, calls of one land in the other, and the process crashes. Here libpq and what it
// brings see their own functions first, and nothing else sees them.
//
// Thread safety: all from any thread.
#pragma once

#include <libpq-fe.h>

#include "salver/status.h"

namespace salver::postgres {

struct LibpqApi {
#define SALVER_LIBPQ_FUNCTION(name) decltype(&PQ##name) name = nullptr;
#include "postgres/libpq_functions.inc"
#undef SALVER_LIBPQ_FUNCTION
};

// Errors: Unavailable when libpq.so.5 is not on the system's path or lacks a function.
Status LoadLibpq();

// To be called after LoadLibpq returned OK. Never changed, lives as long as the process.
const LibpqApi& Pq();

}  // namespace salver::postgres
