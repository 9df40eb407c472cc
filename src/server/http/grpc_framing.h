// How gRPC puts a call into an HTTP/2 request: the length before a message, the client's deadline, the status
// in the trailers.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "salver/status.h"

namespace salver {

// "application/grpc", "application/grpc+proto", with or without parameters; not "application/grpc-web".
bool IsGrpcContentType(std::string_view content_type);

// "250m" is 250 milliseconds. None when it is not the header's form: at most eight digits and a unit.
std::optional<std::chrono::microseconds> ParseGrpcTimeout(std::string_view header);

inline constexpr size_t kGrpcPrefix = 5;  // a byte that says whether it is compressed, four of length
// The one message of a request's body.
// Errors: Unimplemented  compressed;  InvalidArgument  none, more than one, or cut off.
Result<std::string_view> GrpcMessage(std::string_view body);
// Writes the prefix into the first five bytes of an answer.
void SetGrpcPrefix(std::string* answer);

// Text for the header grpc-message: printable ASCII as it is, all else as %XX.
std::string GrpcMessageHeader(std::string_view text);

}  // namespace salver
